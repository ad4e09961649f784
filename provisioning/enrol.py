"""Enrol one kiosk, whatever the line does: every step may be repeated, so all of it may.

The kiosk says what it has already, and the same content is the same enrolment;
after a pulled cable, a restarted kiosk or a lost answer this begins again and
goes on where it was.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from agent.core.moments import iso
from provisioning import durable, wire
from provisioning.bench import Bench, BenchFault, NoAnswer, Refusal
from provisioning.link import LinkLost
from provisioning.site_file import GatePlan, Site
from provisioning.wire import Code, FileName

_SMALLEST_CHUNK: Final = 64
_GROWS_AFTER: Final = 8  # chunks without loss
_STUCK_S: Final = 20.0
_BEGINNINGS: Final = 5
_LOOK_AGAIN_S: Final = 0.1
_AGAIN: Final = {Code.HELLO_FIRST, Code.NO_TRANSFER, Code.NOT_WHOLE}


class Progress(Protocol):
    """Who is told how it goes."""

    def say(self, words: str) -> None: ...

    def sent(self, done: int, whole: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Record:
    """What the site office needs to admit the gate to its registry; nothing secret.

    Args:
        gate, name: what the feed calls it, and what people do (may be empty).
        journal_key: `ed25519:<hex>`, the public half of the key that the kiosk made.
        enrolled_at: RFC 3339, by the bench's clock.
    """

    site: str
    gate: str
    name: str
    device_id: str
    journal_key: str
    direction: str
    zone: str
    enrolled_at: str
    software: str

    def write(self, path: Path) -> None:
        """Keep it as JSON.

        Raises:
            OSError: the disk's reason.
        """
        durable.write(path, (json.dumps(asdict(self), indent=2) + "\n").encode())


def enrol(
    open_bench: Callable[[], Bench],
    site: Site,
    plan: GatePlan,
    progress: Progress,
    patience_s: float = 30.0,
) -> Record:
    """Make the kiosk at the other end a gate of the site.

    Args:
        open_bench: opens the port anew; called again after the link is lost.
        patience_s: how long a pulled cable is waited for.
    Raises:
        LinkLost: the port could not be opened at first, or did not come back.
        BenchFault: the kiosk refused or did not answer; the sentence says what to do.
        SiteFault: see Site.compose.
    """
    at = iso(time.time())
    begun = 0
    give_up_mono = 0.0  # no port at the start is a mistake, not a pulled cable
    while True:
        try:
            with open_bench() as bench:
                give_up_mono = give_up_mono or time.monotonic() + patience_s
                found = bench.hello()
                give_up_mono = time.monotonic() + patience_s
                if not begun:
                    progress.say(f"found kiosk {found.device_id}, {found.software}")
                return _enrol_once(bench, site, plan, at, progress)
        except LinkLost as fault:
            if time.monotonic() > give_up_mono:
                raise
            progress.say(f"{fault}; waiting for it to come back")
            time.sleep(_LOOK_AGAIN_S)
        except Refusal as refusal:
            begun += 1
            if refusal.code not in _AGAIN or begun == _BEGINNINGS:
                raise
            progress.say(f"beginning again: {refusal}")


def _enrol_once(bench: Bench, site: Site, plan: GatePlan, at: str, progress: Progress) -> Record:
    kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
    files = site.compose(plan, kiosk.state_dir)
    announced = wire.BeginParams(
        site=site.facts.site,
        gate=plan.gate,
        at=at,
        files={
            name: wire.FileFacts(size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in files.items()
        },
    )
    begun = bench.call(wire.ENROL_BEGIN, announced)
    if begun.committed:
        progress.say("the kiosk has this very enrolment already")
    else:
        _send(bench, begun, files, progress)
    done = bench.call(wire.ENROL_COMMIT, wire.CommitParams(transfer=begun.transfer))
    if (done.site, done.gate, done.device_id) != (site.facts.site, plan.gate, kiosk.device_id):
        raise BenchFault(
            f"the kiosk says that it is now gate {done.gate} of {done.site}, which nobody asked; "
            "two benches on one kiosk? identify it before going on"
        )
    return Record(
        site=done.site,
        gate=done.gate,
        name=plan.name,
        device_id=done.device_id,
        journal_key=done.journal_key,
        direction=plan.direction,
        zone=plan.zone,
        enrolled_at=done.enrolled_at,
        software=done.software,
    )


def _send(bench: Bench, begun: wire.BeginResult, files: Mapping[FileName, bytes], progress: Progress) -> None:
    """Send what the kiosk lacks, in chunks that shrink on a noisy line and grow again on a quiet one."""
    have = {name: begun.have.get(name, 0) for name in files}
    whole = sum(len(data) for data in files.values())
    chunk, quiet = wire.MAX_CHUNK, 0
    moved_mono = time.monotonic()
    progress.sent(sum(have.values()), whole)
    for name, data in files.items():
        while have[name] < len(data):
            if time.monotonic() - moved_mono > _STUCK_S:
                raise NoAnswer(
                    f"no byte of {name} has arrived for {_STUCK_S:.0f} s; try another cable or baud rate"
                )
            at = have[name]
            piece = wire.PutParams.model_construct(
                transfer=begun.transfer, file=name, offset=at, data=data[at : at + chunk]
            )
            try:
                have[name] = bench.call(wire.ENROL_PUT, piece, gives_up_s=0.0).have
            except NoAnswer:
                chunk, quiet = max(_SMALLEST_CHUNK, chunk // 2), 0
                continue
            quiet += 1
            if quiet % _GROWS_AFTER == 0:
                chunk = min(wire.MAX_CHUNK, chunk * 2)
            if have[name] > at:
                moved_mono = time.monotonic()
            progress.sent(sum(have.values()), whole)
