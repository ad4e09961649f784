"""A process for each site of a group, as long as the site is there.

They are forked from one process that has loaded the office and opened nothing
(Python's forkserver), so that a further site costs what it keeps itself. A
process that ends is begun again, after ever longer waits; the other sites don't
notice. Sites that are added or taken out while this runs are followed.

What a process does is somebody else's: a function of a module, which gets the
site's home as its first argument.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final

from office.faults import OfficeFault
from office.group import Group
from office.logs import log

_LOOK_S: Final = 1.0
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0
_STEADY_S: Final = 60.0
"""Who ran so long has earned a short wait."""
_PATIENCE_S: Final = 20.0

Work = Callable[..., None]


@dataclass(slots=True)
class _Member:
    process: ForkServerProcess
    begun: float
    wait_s: float = _FIRST_WAIT_S
    again_at: float | None = None


@dataclass(slots=True)
class Fleet:
    """The processes of a group's sites.

    Args:
        work: what each does, until SIGTERM: called with the group's path, the site, and what `more` gives.
        more: further arguments for a site.
    """

    group: Group
    work: Work
    more: Callable[[str], tuple[Any, ...]]
    preload: tuple[str, ...] = ()
    _members: dict[str, _Member] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin all, and look after them in a thread until `stop`."""
        multiprocessing.set_forkserver_preload(["office.fleet_preload", *self.preload])
        self.look()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End all, politely, then not."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for one in self._members.values():
            if one.process.is_alive():
                one.process.terminate()
        give_up = time.monotonic() + _PATIENCE_S
        for one in self._members.values():
            one.process.join(max(0.0, give_up - time.monotonic()))
            if one.process.is_alive():
                one.process.kill()
                one.process.join()

    def look(self) -> None:
        """Once: begin what is missing, end what is no site any more."""
        sites = self.group.sites
        for site in sites:
            self._look_at(site)
        for site in set(self._members) - set(sites):
            log.info("site.gone", site=site)
            member = self._members.pop(site)
            member.process.terminate()
            member.process.join(_PATIENCE_S)

    def pids(self) -> dict[str, int]:
        """The process of each site that has one."""
        return {
            site: one.process.pid
            for site, one in self._members.items()
            if one.process.pid and one.process.is_alive()
        }

    def _look_at(self, site: str) -> None:
        now, member = time.monotonic(), self._members.get(site)
        if member is None:
            self._members[site] = _Member(self._begin(site), now)
            return
        if member.process.is_alive():
            return
        if member.again_at is None:
            if now - member.begun > _STEADY_S:
                member.wait_s = _FIRST_WAIT_S
            member.again_at = now + member.wait_s
            log.error(
                "site.ended",
                site=site,
                code=member.process.exitcode,
                next=f"begins again in {member.wait_s:.0f} s",
            )
        elif now >= member.again_at:
            wait_s = min(2 * member.wait_s, _LONGEST_WAIT_S)
            self._members[site] = _Member(self._begin(site), now, wait_s)

    def _begin(self, site: str) -> ForkServerProcess:
        context = multiprocessing.get_context("forkserver")
        process = context.Process(
            target=_live, args=(self.work, self.group.path, site, self.more(site)), name=f"site-{site}"
        )
        process.start()
        return process

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            try:
                self.look()
            except (OSError, OfficeFault) as fault:
                log.error("fleet.fault", found=str(fault), next="looks again")


def _live(work: Work, path: Path, site: str, more: Iterable[Any]) -> None:
    """The life of a site's process; it ends with the one that began it, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    try:
        work(path, site, *more)
    except OfficeFault as fault:
        log.error("site.fault", site=site, found=str(fault))
        raise SystemExit(1) from fault


def _end_with(parent: Any) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
