"""The vendor's releases at a site: a bad one for a canary, and the one that mends it for all.

Bundles, signatures, slots and guard are the product's; what is in the bundles is a menshen of a few
lines (tests.updates.shop), which answers what an update asks of it: a whole one would be 113 MB a time.
"""

import contextlib
import io
from pathlib import Path
from typing import Any

from firmware_tools.device import guard
from firmware_tools.device.place import Place
from tests.estate.site import Estate
from tests.updates.shop import Shop

FIRST, BAD, GOOD = "0.1.0", "0.2.0", "0.2.1"


class Releases:
    """What is released at one site."""

    def __init__(self, estate: Estate, canary: str) -> None:
        self._estate, self._canary = estate, canary
        self._shop = Shop.__new__(Shop)
        self._shop.folder = estate.folder / "makers"
        self._shop.folder.mkdir(exist_ok=True)

    def as_delivered(self) -> None:
        """The canary's first slot."""
        self._on(self._canary, "first", self._shop.bundle(FIRST))

    def release(self, version: str, *, health: str = "well", percent: int = 0) -> None:
        """Build, sign by two of the vendor's keys, and put beside the site's list.

        Args:
            health: what the release will say of itself: `well`, or what is wrong.
            percent: of the gates besides the canary.
        """
        where = ("--releases", self._shop.folder / "releases")
        bundle = self._shop.bundle(version, health=health)
        make = self._estate.firmware
        make("release", "draft", bundle, *where, "--gate", self._canary, "--percent", percent, secret=False)
        make("release", "sign", *where, "--keys", self._estate.offline)
        make("release", "publish", *where, "--to", self._estate.published, secret=False)
        self._estate.office("renew")

    def is_due(self, gate: str, version: str) -> bool:
        """Whether a gate would begin with it now."""
        return f"{version} is due" in self._on(gate, "check")

    def take(self) -> None:
        """Fetch what is due to the canary, build the other slot, and put it on trial."""
        for step in (("fetch",), ("stage",), ("switch", "--by-hand")):
            self._on(self._canary, *step)
        self._guard("begin")

    def tried(self, within_s: float) -> dict[str, Any]:
        """The trial's end: which version runs then, and which failed why.

        Args:
            within_s: how long the trial may last; a quarter of it, it does.
        """
        self._guard("watch", "--within", str(within_s), "--every", "0.2")
        slots = Place.read(self._toml(self._canary)).slots
        about = slots.about(slots.current() or "") or {}
        return {"runs": about.get("version"), "failed": dict(slots.state().failed)}

    def _guard(self, *words: str) -> None:
        slots = str(Place.read(self._toml(self._canary)).slots.root)
        with contextlib.redirect_stdout(io.StringIO()):  # it speaks to systemd's journal
            guard.main([*words, "--slots", slots, "--config", str(self._toml(self._canary))])

    def _on(self, gate: str, *words: object) -> str:
        return self._estate.firmware("update", *words, "--config", self._toml(gate), secret=False)

    def _toml(self, gate: str) -> Path:
        return self._estate.toml(gate)
