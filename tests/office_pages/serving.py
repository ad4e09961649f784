"""`menshen-office serve` as a process of its own, over one desk's office or a group's home."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import connections

from tests.office_pages.desk import Desk


@dataclass(frozen=True, slots=True)
class Served:
    """Where the pages are, and whose they are."""

    port: int
    pid: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served_at(desk: Desk) -> Iterator[Served]:
    """One desk's office, served until the end."""
    with served_home(desk.home, 15) as (port, pid, _):
        yield Served(port, pid)


@contextmanager
def served_home(home: Path, ends_within_s: float) -> Iterator[tuple[int, int, Path]]:
    """Port, process and log of a home that is served until the end; it must end well and have told no traceback."""
    command = [sys.executable, "-m", "office.cli", "serve", "--home", str(home), "--port", "0"]
    log = home.parent / "serve.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as server,
    ):
        try:
            assert server.stdout
            port = re.search(r"port=(\d+)", server.stdout.readline())
            assert port, log.read_text()
            yield int(port[1]), server.pid, log
        finally:
            server.terminate()
            assert server.wait(ends_within_s) == 0
    assert "Traceback" not in log.read_text(), log.read_text()
    connections.close_all()
