"""A PostgreSQL for the tests: a real cluster of its own, on a Unix socket, gone afterwards.

    with postgres.server() as server:
        ...  # server.address, server.kill(), server.start(), server.stop()

The server refuses to run as root, so under root its files belong to Debian's
user `postgres`, in a directory of their own under the system's temporary one.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_NAME = "office"


def _programs() -> Path | None:
    """Where the newest installed server's programs are; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as, if not as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@dataclass
class Server:
    """A cluster as a process: start, stop (politely), kill (not)."""

    programs: Path
    directory: Path
    durable: bool
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """What MENSHEN_OFFICE_DATABASE takes."""
        return f"postgresql://{_NAME}@/{_NAME}?host={self.directory}"

    def make(self) -> None:
        """A new cluster with one empty database."""
        words = ["-D", self.directory / "data", "-U", _NAME, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
        self._run("initdb", *map(str, words))
        self.start()
        self._run("createdb", "-h", str(self.directory), "-U", _NAME, _NAME)

    def start(self, within_s: float = 30.0) -> None:
        assert self.process is None, "already running"
        command = [str(self.programs / "postgres"), "-D", str(self.directory / "data")]
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.directory)}
        if not self.durable:
            settings["fsync"] = "off"  # a killed server loses nothing; only a power cut would
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_owner())
        give_up = time.monotonic() + within_s
        while subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", self.directory], check=False, timeout=20
        ).returncode:
            assert time.monotonic() < give_up, (self.directory / "log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """End the whole cluster as a power cut would, its children included."""
        process, self.process = self.process, None
        if process is not None:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            process.kill()
            process.wait()
            for child in map(int, children):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            _until_gone(children)

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGINT)  # "fast": ends the sessions
            process.wait(20)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self.programs / program, *words], check=True, capture_output=True, timeout=60, **self._as_owner()
        )

    def _as_owner(self) -> dict[str, object]:
        owner = _owner()
        return {"cwd": self.directory} | (
            {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if owner else {}
        )


def _until_gone(pids: list[str]) -> None:
    give_up = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < give_up:
        time.sleep(0.01)


@contextmanager
def server(*, durable: bool = False) -> Iterator[Server]:
    """A running cluster; durable flushes to the disk as in service, for measuring."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; `make test` installs it where it may")
    directory = Path(tempfile.mkdtemp(prefix="menshen-pg-"))
    one = Server(programs, directory, durable)
    owner = _owner()
    if owner:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    try:
        one.make()
        yield one
    finally:
        one.stop()
        shutil.rmtree(directory)
