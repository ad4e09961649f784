"""A group of two sites, with people, a gate and staff at each, and browsers that come to its door."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from django.db import connection

from office import home as homes

homes.prepare()

from office import registry  # noqa: E402
from office.group import Group  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.web import accounts  # noqa: E402
from office.web.roles import Role  # noqa: E402
from tests.office_pages.desk import PASSWORD, Desk  # noqa: E402
from tests.office_pages.serving import served_home  # noqa: E402

NAME, SITES = "riverside", ("garden", "harbour")
STAFF = {  # account, role, where
    "chen": {"harbour": Role.CLERK},
    "wang": {"harbour": Role.APPROVER},
    "ma": {"harbour": Role.ADMINISTRATOR},
    "sun": {"garden": Role.CLERK},
    "he": {"garden": Role.ADMINISTRATOR},
    "zhou": {"garden": Role.AUDITOR, "harbour": Role.TECHNICIAN},
}


@dataclass
class TwoSites:
    """A group on disk."""

    path: Path
    ids: dict[str, dict[str, object]] = field(default_factory=dict)

    def found(self) -> None:
        Group.make(self.path, NAME)
        (self.path / "keys").mkdir()
        homes.use(self.path, whole=True, create=True)
        registry.make_site(NAME, ["main"], 480)
        for site in SITES:
            home = homes.use(self.path, site, create=True)
            Keyring.make(home.keys)
            registry.make_site(site, ["main", "garage"], 480)
        for name, duties in STAFF.items():
            for number, (site, role) in enumerate(duties.items()):
                self.at(site)
                if number:
                    accounts.appoint(name, role, by="tests")
                else:
                    accounts.add(name, role, PASSWORD, by="tests")

    def at(self, site: str = "") -> Desk:
        """Work at one site from here on, or at the group itself."""
        home = homes.use(self.path, site, whole=True)
        return Desk(home.path)

    def rows(self, site: str) -> dict[str, list[tuple]]:
        """All that a site's database holds."""
        self.at(site)
        with connection.cursor() as cursor:
            found = {}
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
                found[table] = [tuple(map(_plain, row)) for row in cursor.fetchall()]
        return found


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


@dataclass
class Browser:
    """What a browser does with a group's door, over real HTTP."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: Mapping[str, str] = {}) -> "Answer":
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str] = {}) -> "Answer":
        if "csrftoken" not in self.cookies:
            self.get("/sign-in")
        words = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-CSRFToken": self.cookies.get("csrftoken", ""),
        }
        return self._ask("POST", path, urlencode(form), words)

    def signed_in(self, name: str) -> "Browser":
        answer = self.post("/sign-in", {"username": name, "password": PASSWORD})
        assert answer.status == 302, answer.text
        return self

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> "Answer":
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        link.request(method, path, body, {"Cookie": cookie, **headers})
        answer = link.getresponse()
        for header in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name] = morsel.value
        text = answer.read().decode("utf-8", "replace")
        link.close()
        return Answer(answer.status, dict(answer.headers.items()), text)

    def stream(self, path: str) -> "Stream":
        return Stream(self.port, path, "; ".join(f"{name}={value}" for name, value in self.cookies.items()))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def place(self) -> str:
        return self.headers.get("Location") or self.headers.get("location", "")


class Stream:
    """An open live page's stream; `texts` gives the rows that come."""

    def __init__(self, port: int, path: str, cookie: str) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._link.request("GET", path, headers={"Cookie": cookie})
        self._answer = self._link.getresponse()
        self.status = self._answer.status

    def messages(self) -> Iterator[dict[str, str]]:
        while line := self._answer.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def close(self) -> None:
        self._answer.close()
        self._link.close()


@dataclass(frozen=True)
class Served:
    port: int
    pid: int
    log: Path

    def browser(self, name: str = "") -> Browser:
        return Browser(self.port).signed_in(name) if name else Browser(self.port)

    def processes(self) -> dict[str, int]:
        """The process of each site, by the socket it listens on."""
        found: dict[str, int] = {}
        for line in Path("/proc/net/unix").read_text().splitlines():
            path = line.rpartition(" ")[2]
            if "/menshen-sites-" in path:
                inode = line.split()[6]
                if pid := _who_has(f"socket:[{inode}]", self.pid):
                    found[Path(path).name] = pid
        return found


def _who_has(socket: str, door: int) -> int | None:
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(fd.readlink()) == socket and int(fd.parts[2]) != door:
                return int(fd.parts[2])
        except OSError:
            continue
    return None


@contextmanager
def served(group: TwoSites) -> Iterator[Served]:
    """`menshen-office serve` over the group; it must end well and have told no traceback."""
    with served_home(group.path, 40) as (port, pid, log):
        yield Served(port, pid, log)


def office(*words: object, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command, as somebody types it."""
    return subprocess.run(
        [sys.executable, "-m", "office.cli", *map(str, words), "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )


def eventually(true, within_s: float = 30.0):
    """Wait until something is so, and give it."""
    give_up = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < give_up, "it never became so"
        time.sleep(0.05)
    return found
