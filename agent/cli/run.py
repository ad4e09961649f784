"""menshen-agent run."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from agent.cli.common import config_option, loaded, stopped_by_signals


@click.command()
@config_option
def run(config_path: Path) -> None:
    """Start gate and sync together, for a bench or a demonstration.

    Both end on SIGTERM or Ctrl-C; if one ends by itself, so does the other, with its exit code.
    On a gate, use the systemd units: they keep the two apart.

    \b
    Example:
      menshen-agent run --config bench.toml
    """
    loaded(config_path)  # a faulty file is told once, not by each child
    children = [
        subprocess.Popen([sys.executable, "-m", "agent.cli", part, "--config", str(config_path)])
        for part in ("gate", "sync")
    ]
    asked = False

    def stop() -> None:
        nonlocal asked
        asked = True
        for child in children:
            child.send_signal(signal.SIGTERM)

    with stopped_by_signals(stop):
        while not asked and all(child.poll() is None for child in children):
            time.sleep(0.1)
    ended = [child.returncode for child in children if child.poll() is not None]
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    # A gate ends by itself, and well, where its camera was a recording that is over.
    raise SystemExit(0 if asked else abs(ended[0]))
