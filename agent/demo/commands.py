"""Running the product's own commands, to their end or in the background."""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_BIN: Final = Path(sys.executable).parent


class DemoFault(Exception):
    """The demonstration cannot go on; says which command said what."""


def run(command: str, *arguments: str | Path, cwd: Path) -> list[str]:
    """Run a command to its end.

    Returns:
        The lines of its standard output.
    Raises:
        DemoFault: it failed; with its last words.
    """
    done = subprocess.run(
        [_BIN / command, *map(str, arguments)],
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        words = (done.stdout + done.stderr).strip().splitlines()
        raise DemoFault("\n  ".join([f"{command} {' '.join(map(str, arguments))}", *words[-5:]]))
    return done.stdout.splitlines()


@contextmanager
def background(
    command: str, *arguments: str | Path, cwd: Path, hears: str = "stderr"
) -> Iterator["queue.SimpleQueue[str]"]:
    """Run a command beside us until the block ends, then ask it to stop.

    Args:
        hears: `stderr` or `stdout`: whose lines the queue gets; the other goes to a log file.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with (cwd / f"{command}-{arguments[0]}.log").open("ab") as log:
        child = subprocess.Popen(
            [_BIN / command, *map(str, arguments)],
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if hears == "stdout" else log,
            stderr=subprocess.PIPE if hears == "stderr" else log,
            text=True,
            # A Ctrl-C at the terminal is ours to handle: the rooms are closed in order.
            start_new_session=True,
        )
        stream = child.stdout if hears == "stdout" else child.stderr

        def listen() -> None:
            for line in stream or ():
                lines.put(line.rstrip("\n"))

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield lines
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            listener.join(timeout=5)
            if stream:
                stream.close()


def heard(lines: "queue.SimpleQueue[str]", wanted: str, within_s: float = 20.0) -> str:
    """The first line that begins with the wanted words.

    Raises:
        DemoFault: it did not come.
    """
    last = ""
    while True:
        try:
            last = lines.get(timeout=within_s)
        except queue.Empty:
            raise DemoFault(f"waited {within_s:.0f} s for {wanted!r}; last heard {last!r}") from None
        if last.startswith(wanted):
            return last


def _environment() -> dict[str, str]:
    return {**os.environ, "MENSHEN_LOG": "json", "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
