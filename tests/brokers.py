"""Brokers for the tests: real ones, on free loopback ports, gone afterwards.

    with brokers.mosquitto(tmp_path, users={"north": "n", "office": "o"}, acl=brokers.acl("harbour")) as broker:
        ...  # broker.port, broker.kill(), broker.start(), broker.stop()

`mosquitto` is Debian's package; `amqtt` is the one inside `menshen-office
broker`. Both stay on one port over restarts, and both are ended by process id.
"""

import getpass
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from office.broker_rules import mosquitto as mosquitto_rules

# Debian installs it where only root's PATH looks.
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def acl(site: str, office: str = "office", publisher: str = "publisher") -> str:
    """The rules that the office prints for a site's Mosquitto."""
    return mosquitto_rules(site, office, publisher)


@dataclass
class Running:
    """A broker as a process: start, stop (politely), kill (not); the port stays."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, within_s: float = 20.0) -> None:
        """Start it, and return once it accepts connections."""
        assert self.process is None, "already running"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + within_s
        while not self._accepts():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"{self.command[0]} did not start; it said:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as a service manager would, and give its exit code."""
        return self._end(signal.SIGTERM)

    def _accepts(self) -> bool:
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@contextmanager
def mosquitto(
    directory: Path,
    *,
    port: int = 0,
    users: Mapping[str, str] | None = None,
    acl: str | None = None,
    settings: str = "",
) -> Iterator[Running]:
    """A running Mosquitto that keeps nothing on disk.

    Args:
        directory: for its files; made if need be.
        port: 0 picks a free one.
        users: name to password; None lets anybody in.
        acl: its access rules, see acl().
        settings: more lines of mosquitto.conf, e.g. `persistence true`.
    """
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed; `make test` installs it where it may")
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    # As root it would become user mosquitto and not read our directory.
    lines = [f"listener {port} {LOOPBACK}", f"user {getpass.getuser()}", "log_type warning", "log_type error"]
    if users is None:
        lines.append("allow_anonymous true")
    else:
        passwords = directory / "passwords"
        passwords.write_text("".join(f"{name}:{word}\n" for name, word in users.items()))
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
        lines += ["allow_anonymous false", f"password_file {passwords}"]
    if acl is not None:
        (directory / "acl").write_text(acl)
        (directory / "acl").chmod(0o600)
        lines.append(f"acl_file {directory / 'acl'}")
    conf = directory / "mosquitto.conf"
    conf.write_text("\n".join([*lines, settings, ""]))
    yield from _running([MOSQUITTO, "-c", str(conf)], port, directory / "mosquitto.log")


@contextmanager
def amqtt(directory: Path, *, port: int = 0, users: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A running `menshen-office broker`; arguments as for mosquitto."""
    directory.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [sys.executable, "-m", "office.cli", "broker", "--host", LOOPBACK, "--port", str(port)]
    if users is not None:
        passwords = directory / "passwords"
        passwords.write_text("".join(f"{name}:{word}\n" for name, word in users.items()))
        passwords.chmod(0o600)
        command += ["--password-file", str(passwords)]
    yield from _running(command, port, directory / "amqtt.log")


def _running(command: list[str], port: int, log: Path) -> Iterator[Running]:
    broker = Running(command, port, log)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
