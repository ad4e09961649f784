"""Whether the machine under a gate is well: heat, supply and card, from figures alone.

Told of readings, answers with notices when something of weight changes. Each
alarm ends at another figure than it began at, so that a processor at the edge
does not fill the journal. What a reading can't say (None) changes nothing.
"""

from dataclasses import dataclass, field
from typing import Final

from agent.core.events import Fact, Kind
from agent.core.notices import MachineChanged

HOT_C: Final = 80.0
"""Where a Pi's firmware begins to slow the processor down."""
COOL_C: Final = 72.0
CALM_S: Final = 60.0
"""How long the supply must have been good before it counts as good again."""
FULL_MB: Final = 200
ROOMY_MB: Final = 400
SLOW_MS: Final = 2000.0

UNDER_VOLTAGE: Final = 1 << 0
SLOWED: Final = 1 << 1 | 1 << 2 | 1 << 3
_SINCE_BOOT: Final = 16
_WORDS: Final = ((0, "under-voltage"), (1, "capped"), (2, "throttled"), (3, "hot"))


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the machine; None where it could not be read, or was not tried.

    Args:
        throttled: the Pi firmware's bits: 0 under-voltage, 1 capped, 2 throttled, 3 hot, now; 16 on, since boot.
        write_ms: how long a small durable write and its reading back took.
        card: what that found wrong with the card; "" if nothing, None if it was not tried.
    """

    temperature_c: float | None = None
    throttled: int | None = None
    free_mb: int | None = None
    write_ms: float | None = None
    card: str | None = None


def throttling(bits: int | None) -> str | None:
    """The firmware's bits for what is so now, as words."""
    if bits is None:
        return None
    return " ".join(word for bit, word in _WORDS if bits >> bit & 1) or "none"


@dataclass(slots=True)
class MachineWatch:
    """Watches one machine; at first in good faith."""

    _hot: bool = False
    _low: bool = False
    _low_at: float = 0.0
    _dips: bool = False
    _card: str = ""
    _write: str = field(default="")

    def look(self, seen: Reading, mono: float) -> tuple[MachineChanged, ...]:
        """Take note of a reading at mono; what changed by it."""
        return (*self._heat(seen), *self._supply(seen.throttled, mono), *self._storage(seen))

    def _heat(self, seen: Reading) -> tuple[MachineChanged, ...]:
        slowed = bool((seen.throttled or 0) & SLOWED)
        warm = seen.temperature_c
        if not self._hot and (slowed or (warm is not None and warm >= HOT_C)):
            self._hot = True
        elif self._hot and not slowed and (warm is None or warm <= COOL_C):
            self._hot = False
        else:
            return ()
        facts: dict[str, Fact] = {"temperature_c": warm, "throttled": throttling(seen.throttled)}
        return (MachineChanged(Kind.MACHINE_HOT if self._hot else Kind.MACHINE_COOL, facts),)

    def _supply(self, bits: int | None, mono: float) -> tuple[MachineChanged, ...]:
        if bits is None:
            return ()
        dipped = bool(bits >> _SINCE_BOOT & UNDER_VOLTAGE)
        news = dipped and not self._dips  # the firmware remembers one dip since boot, and no second
        self._dips = dipped
        if bits & UNDER_VOLTAGE:
            self._low_at = mono
            if not self._low:
                self._low = True
                return (MachineChanged(Kind.POWER_LOW, {"now": True}),)
        elif self._low:
            if mono - self._low_at >= CALM_S:
                self._low = False
                return (MachineChanged(Kind.POWER_GOOD, {}),)
        elif news:
            return (MachineChanged(Kind.POWER_LOW, {"now": False}),)
        return ()

    def _storage(self, seen: Reading) -> tuple[MachineChanged, ...]:
        if seen.card is not None:
            slow = seen.write_ms is not None and seen.write_ms > SLOW_MS
            self._write = seen.card or ("slow" if slow else "")
        room_mb = ROOMY_MB if self._card == "full" else FULL_MB
        full = seen.free_mb is not None and seen.free_mb < room_mb
        unread = seen.free_mb is None and self._card == "full"
        why = self._write or ("full" if full or unread else "")
        if why == self._card:
            return ()
        self._card = why
        if not why:
            return (MachineChanged(Kind.CARD_GOOD, {}),)
        facts: dict[str, Fact] = {"why": why, "free_mb": seen.free_mb, "write_ms": seen.write_ms}
        return (MachineChanged(Kind.CARD_FAILING, facts),)
