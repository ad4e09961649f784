"""Making the file of an incident: on record, with its reason, before its first byte."""

from collections.abc import Iterator
from datetime import UTC, datetime

from office import registry
from office.faults import OfficeFault
from office.home import Home
from office.incident import paper
from office.incident.gathering import About, records
from office.incident.paper import Heading
from office.keyring import audit_key
from office.sheets.sealing import Seal


def take(home: Home, about: About, *, by: str, why: str, seal: Seal | None = None) -> Iterator[bytes]:
    """The zip, piece by piece.

    Args:
        seal: how it is encrypted; None is not at all.
    Raises:
        OfficeFault: no reason, the seal keeps nothing, or as About.passes.
    """
    why = why.strip()
    if not why:
        raise OfficeFault(
            "found no reason; who files an incident says what happened, and the history keeps it"
        )
    if seal:
        seal.check()
    site, key = registry.the_site().name, audit_key(home.keys)
    found = records(about)
    named = [f"person {about.person}"] if about.person is not None else []
    named += [f"pass {about.pass_id}"] if about.pass_id else []
    named += [f"gate {about.gate}"] if about.gate else []
    span = f"{about.since:%Y-%m-%dT%H:%MZ} to {about.until:%Y-%m-%dT%H:%MZ}"
    registry.note(by, "export", "incident", f"{', '.join([*named, span])}: {why}")
    heading = Heading(site, key.public, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", by, why, about.facts())
    plain = paper.chunks(heading, found, key.sign)
    return seal.over(plain) if seal else plain
