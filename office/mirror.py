"""The repository on a broker's retained topics, for gates that have no other way to it.

    site/<site>/list/<path>     one file of the repository, retained
    site/<site>/list/hint       the number of the newest root

Files go out first and timestamp.json last, all others acknowledged before,
so that whoever hears of a new timestamp finds all that it names. A broker
forgets: after a kill its retained topics may be gone, and MQTT 3.1.1 says
nothing to a publisher who has no right to publish. So what is there is read
back, by name and some topics at a time, since a wildcard over thousands of
retained topics loses most of them.

This module knows file names and topics, and refuses to know what a list is.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from office.faults import OfficeFault
from office.files import write_whole
from office.logs import log
from office.mirror_link import Link, LinkFault
from office.repository_files import versions

MAX_FILE_BYTES: Final = 512 * 1024
"""Of one message; a gate takes frames of 1 MiB, and no part of a list comes near."""
MAX_TOTAL_BYTES: Final = 256 * 1024 * 1024
BATCH: Final = 256
"""Topics that are asked for, or published, at a time."""
_STAMP: Final = "timestamp.json"
_HINT: Final = "hint"
_LOOK_S: Final = 0.2
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was sent.

    Args:
        files, bytes: published; unchanged topics are not.
        cleared: topics of files that the repository no longer has.
    """

    files: int
    bytes: int
    cleared: int


@dataclass(slots=True)
class _Note:
    """What was on the broker when we last looked, so that a revocation need not read it all again.

    Args:
        stamp: SHA-256 of timestamp.json; if the broker still has that one, it has the rest.
        names: the files.
    """

    path: Path
    stamp: str = ""
    names: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, path: Path) -> "_Note":
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            fields = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, str(fields["stamp"]), set(map(str, fields["names"])))
        return cls(path)

    def write(self) -> None:
        write_whole(self.path, json.dumps({"stamp": self.stamp, "names": sorted(self.names)}).encode(), 0o600)


class Mirror:
    """One repository and one broker.

    Args:
        note_file: where this mirror remembers what it has sent there.
    """

    def __init__(self, repo_dir: Path, site: str, note_file: Path) -> None:
        self._repo, self._prefix = repo_dir, f"site/{site}/list/"
        self._note = _Note.at(note_file)

    def bring(self, link: Link) -> Mirrored:
        """Bring the broker up to date once.

        Raises:
            OfficeFault: the repository can't be read or holds something too large, or the broker does
                not keep what it is sent.
            LinkFault: the connection broke.
        """
        stamp = self._read(_STAMP)
        self._forget_what_is_gone(link)
        sent = self._send(link, stamp)
        if self._on_broker(link, [_STAMP]).get(_STAMP) != hashlib.sha256(stamp).digest():
            raise OfficeFault(
                f"the broker did not keep {self._prefix}{_STAMP}; "
                f"let this user read and write {self._prefix}# there, and keep retained messages"
            )
        return sent

    def keep(self, link: Link, stop: threading.Event) -> None:
        """Bring the broker up to date, and again whenever the repository changes, until stop is set.

        Raises:
            OfficeFault, LinkFault: as for bring.
        """
        self._note.stamp = ""  # a new connection: trust nothing, read it all
        seen = -1
        while not stop.is_set():
            with contextlib.suppress(FileNotFoundError):
                changed = (self._repo / _STAMP).stat().st_mtime_ns
                if changed != seen:
                    sent = self.bring(link)
                    seen = changed
                    log.info("list.mirrored", files=sent.files, bytes=sent.bytes, cleared=sent.cleared)
            link.idle(_LOOK_S)

    def _forget_what_is_gone(self, link: Link) -> None:
        """Leave in the note only what the broker still has."""
        had = self._on_broker(link, [_STAMP]).get(_STAMP)
        if had is None:
            self._note.names.clear()
            return
        if had.hex() == self._note.stamp:
            return
        there: set[str] = set()
        for names in _batches(sorted(self._note.names)):
            digests = self._on_broker(link, names)
            with contextlib.suppress(OSError):
                there |= {name for name in names if digests.get(name) == self._digest(name)}
        self._note.names = there

    def _send(self, link: Link, stamp: bytes) -> Mirrored:
        names = self._names()
        new = [name for name in names if name not in self._note.names]
        count = size = 0
        for some in _batches(new):
            files = dict(self._files(some))
            link.put({self._prefix + name: data for name, data in files.items()})
            count += len(files)
            size += sum(map(len, files.values()))
            self._note.names |= set(files)
        hint = str(max(versions(self._repo, "root"), default=1)).encode()
        link.put({self._prefix + _HINT: hint})
        link.put({self._prefix + _STAMP: stamp})
        gone = sorted(self._note.names - set(names))
        for some in _batches(gone):
            link.put({self._prefix + name: b"" for name in some})  # clears a retained topic
        self._note.names -= set(gone)
        self._note.stamp = hashlib.sha256(stamp).hexdigest()
        self._note.write()
        return Mirrored(count + 1, size + len(stamp), len(gone))

    def _names(self) -> list[str]:
        """All files but timestamp.json; parts before the metadata that leads to them."""
        found = [
            path.relative_to(self._repo)
            for pattern in ("al/*", "rv/*", "*.json")
            for path in self._repo.glob(pattern)
            if not path.name.startswith(".") and path.name != _STAMP
        ]
        total = sum((self._repo / path).stat().st_size for path in found)
        if total > MAX_TOTAL_BYTES:
            raise OfficeFault(f"found {total} bytes in {self._repo}, wanted at most {MAX_TOTAL_BYTES}")
        return list(map(str, found))

    def _files(self, names: list[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a publication has pruned it meanwhile
                if data := self._read(name):  # a shard nobody lies in is empty, and nobody asks for it
                    yield name, data

    def _read(self, name: str) -> bytes:
        with (self._repo / name).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise OfficeFault(
                f"found {self._repo / name} larger than {MAX_FILE_BYTES} bytes, wanted a file that gates take"
            )
        return data

    def _digest(self, name: str) -> bytes:
        return hashlib.sha256(self._read(name)).digest()

    def _on_broker(self, link: Link, names: list[str]) -> dict[str, bytes]:
        """The SHA-256 of those retained topics that there are."""
        got = link.read([self._prefix + name for name in names])
        return {
            topic.removeprefix(self._prefix): hashlib.sha256(data).digest() for topic, data in got.items()
        }


def keep_for_ever(mirror: Mirror, open_link: Callable[[], Link], stop: threading.Event) -> None:
    """Keep a broker's topics right until stop is set; the broker may come and go."""
    wait_s, why = _FIRST_WAIT_S, ""
    while not stop.is_set():
        try:
            with contextlib.closing(open_link()) as link:
                wait_s = _FIRST_WAIT_S
                mirror.keep(link, stop)
        except (LinkFault, OfficeFault, OSError) as fault:
            if str(fault) != why:
                why = str(fault)
                log.warning("mirror.waits", found=why)
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


def _batches(names: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]
