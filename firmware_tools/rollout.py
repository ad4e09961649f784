"""Who gets a release, and when: the terms that its signers put beside its hash.

    gates     names of gates that get it first, whatever the percentage: the canaries
    percent   of all other gates; each gate's place in the queue follows from its name and the version
    hold      nobody gets it any more who has not begun

A gate that was in at 10 percent is in at 50. Another release draws another
order, so that it is not always the same gates that go first.
"""

import hashlib
from typing import Annotated, Final

from pydantic import Field

from agent.core.allowlist import NAME
from firmware_tools.manifest import Fits, Strict
from firmware_tools.versions import Version

FIELD: Final = "menshen"
"""Where a TUF target's custom data says what a release is."""
_PLACES: Final = 10_000


class Rollout(Strict):
    """The terms of one release."""

    gates: Annotated[
        tuple[Annotated[str, Field(pattern=f"^{NAME.pattern}$")], ...], Field(max_length=256, strict=False)
    ] = ()
    percent: Annotated[int, Field(ge=0, le=100)] = 0
    hold: bool = False

    def not_yet(self, site: str, gate: str, version: str) -> str | None:
        """Why a gate does not get it now, as a sentence; None if it does."""
        if self.hold:
            return "its makers hold it back"
        if gate in self.gates:
            return None
        if place_of(site, gate, version) * 100 < self.percent * _PLACES:
            return None
        return f"it goes to {self.percent} % of gates{' and some others' if self.gates else ''} now, and this one is later"


class Terms(Strict):
    """The custom data of a `fw/*` target, signed with its hash."""

    version: Version
    floor: Version
    fits: Fits
    rollout: Rollout


def place_of(site: str, gate: str, version: str) -> int:
    """A gate's place in the queue for a version, 0 to 9999."""
    digest = hashlib.sha256(f"menshen/rollout/1\0{site}\0{gate}\0{version}".encode()).digest()
    return int.from_bytes(digest[:8]) % _PLACES
