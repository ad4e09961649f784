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
from provisioning.credentials import Credentials
from provisioning.link import LinkLost
from provisioning.site_file import GatePlan, Site
from provisioning.wire import Code, FileName

_SMALLEST_CHUNK: Final = 256  # small frames carry it over the worst lines
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


def enrol(  # noqa: PLR0913, PLR0917  what it takes
    open_bench: Callable[[], Bench],
    site: Site,
    plan: GatePlan,
    progress: Progress,
    patience_s: float = 30.0,
    credentials: Credentials | None = None,
) -> Record:
    """Make the kiosk at the other end a gate of the site.

    Args:
        open_bench: opens the port anew; called again after the link is lost.
        patience_s: how long a pulled cable is waited for.
        credentials: what the bench can show and sign; nothing for a blank kiosk without certificates.
    Raises:
        LinkLost: the port could not be opened at first, or did not come back.
        BenchFault: the kiosk refused or did not answer; the sentence says what to do.
        SiteFault: see Site.compose.
        AuthorityFault: see Credentials.certificate.
    """
    held = credentials or Credentials()
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
                return _enrol_once(bench, site, plan, at, progress, held)
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


def _enrol_once(  # noqa: PLR0913, PLR0917  the one call of an inner step
    bench: Bench, site: Site, plan: GatePlan, at: str, progress: Progress, held: Credentials
) -> Record:
    kiosk = bench.call(wire.IDENTIFY, wire.Nothing())
    if kiosk.sealed and held.technician:
        bench.prove(held.technician)
        progress.say(f"the kiosk knows technician {held.technician.name}")
    set_clock(bench, progress)
    certificate = None
    if site.facts.identity:
        names = wire.CsrParams(site=site.facts.site, gate=plan.gate)
        certificate = held.certificate(site, plan.gate, bench.call(wire.CSR, names).csr)
    files = site.compose(plan, kiosk.state_dir, certificate)
    done = install(
        bench,
        wire.BeginParams(site=site.facts.site, gate=plan.gate, at=at, files=facts_of(files)),
        files,
        progress,
    )
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


def set_clock(bench: Bench, progress: Progress) -> None:
    """Give the kiosk the bench's time; it goes on with its own where that is not allowed."""
    try:
        told = bench.call(wire.TIME_SET, wire.TimeParams(utc=time.time()))
    except Refusal as refusal:
        if refusal.code not in (Code.CANNOT, Code.SEALED):
            raise
    else:
        progress.say(f"clock set; it was {told.off_s:+.1f} s off")


def facts_of(files: Mapping[FileName, bytes]) -> dict[FileName, wire.FileFacts]:
    """What is announced of files before they are sent."""
    return {
        name: wire.FileFacts(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    }


def install(
    bench: Bench, announced: wire.BeginParams, files: Mapping[FileName, bytes], progress: Progress
) -> wire.CommitResult:
    """Put an enrolment in force: announce it, send what the kiosk lacks, commit."""
    begun = bench.call(wire.ENROL_BEGIN, announced)
    if begun.committed:
        progress.say("the kiosk has this very enrolment already")
    else:
        _send(bench, begun, files, progress)
    return bench.call(wire.ENROL_COMMIT, wire.CommitParams(transfer=begun.transfer))


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
                have[name] = bench.call(wire.ENROL_PUT, piece, gives_up_s=None if bench.noisy else 0.0).have
            except NoAnswer:
                chunk, quiet = max(_SMALLEST_CHUNK, chunk // 2), 0
                continue
            quiet += 1
            if quiet % _GROWS_AFTER == 0:
                chunk = min(wire.MAX_CHUNK, chunk * 2)
            if have[name] > at:
                moved_mono = time.monotonic()
            progress.sent(sum(have.values()), whole)
