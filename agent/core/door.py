"""The door: one leaf, one lock, and the rules that no other rule may break.

The table below is the whole of it. A door hears signals and says what the
lock shall do and what is to be journaled. It has no clock: each signal comes
with the monotonic second it happened at.

    LOCKED    leaf closed, lock at rest
    OPENING   lock released for a while, leaf still closed
    OPEN      leaf open after a grant or the exit button
    HELD      leaf open for too long
    FORCED    leaf open, and nobody had been let through
    FREE      free passage: the lock stays released, the leaf comes and goes
    RELEASED  fire: the lock stays released whatever else happens

Lockdown is not a state of the leaf but a vow of the gatekeeper; it never
keeps anyone in, so the door does not know of it.

A lock takes a moment to latch, and a kiosk that wakes does not know who opened
the leaf. So for a short grace after each of these an opening is late, not forced.
"""

from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Final

from agent.core.events import Kind


class State(StrEnum):
    """Where the door stands."""

    LOCKED = auto()
    OPENING = auto()
    OPEN = auto()
    HELD = auto()
    FORCED = auto()
    FREE = auto()
    RELEASED = auto()


class Signal(StrEnum):
    """What a door hears."""

    GRANTED = auto()  # a pass or the exit button: let one through
    LEAF_OPENED = auto()
    LEAF_OPENED_LATE = auto()  # within the grace; the door finds that out by itself
    LEAF_CLOSED = auto()
    PULSE_OVER = auto()  # the release has lasted as long as it was granted for
    OPEN_TOO_LONG = auto()
    FREE = auto()
    FREE_OVER = auto()
    FIRE = auto()
    FIRE_OVER = auto()


class LockOrder(StrEnum):
    """What the lock shall do."""

    PULSE = auto()  # release for Timing.open_s from now
    HOLD = auto()  # release until told otherwise
    HOLD_FOR_FIRE = auto()  # the same, before all else
    REST = auto()


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    Args:
        open_s: how long a grant releases the lock.
        held_after_s: when an open leaf is held open.
        grace_s: how long after the lock is told to rest an opening is no force.
        boot_grace_s: the same after a start.
    """

    open_s: float = 5.0
    held_after_s: float = 30.0
    grace_s: float = 1.0
    boot_grace_s: float = 5.0


Move = tuple[State, LockOrder | None, Kind | None]

_S, _G, _O, _K = State, Signal, LockOrder, Kind
_ANYWHERE: Final = (_S.LOCKED, _S.OPENING, _S.OPEN, _S.HELD, _S.FORCED)
TABLE: Final[dict[tuple[State, Signal], Move]] = {
    (_S.LOCKED, _G.GRANTED): (_S.OPENING, _O.PULSE, None),
    (_S.LOCKED, _G.LEAF_OPENED): (_S.FORCED, None, _K.DOOR_FORCED),
    (_S.LOCKED, _G.LEAF_OPENED_LATE): (_S.OPEN, None, _K.DOOR_OPENED),
    (_S.OPENING, _G.GRANTED): (_S.OPENING, _O.PULSE, None),
    (_S.OPENING, _G.LEAF_OPENED): (_S.OPEN, None, _K.DOOR_OPENED),
    (_S.OPENING, _G.PULSE_OVER): (_S.LOCKED, _O.REST, None),
    (_S.OPEN, _G.GRANTED): (_S.OPEN, _O.PULSE, None),
    (_S.OPEN, _G.PULSE_OVER): (_S.OPEN, _O.REST, None),
    (_S.OPEN, _G.LEAF_CLOSED): (_S.LOCKED, _O.REST, _K.DOOR_CLOSED),
    (_S.OPEN, _G.OPEN_TOO_LONG): (_S.HELD, None, _K.DOOR_HELD),
    (_S.HELD, _G.GRANTED): (_S.HELD, _O.PULSE, None),
    (_S.HELD, _G.PULSE_OVER): (_S.HELD, _O.REST, None),
    (_S.HELD, _G.LEAF_CLOSED): (_S.LOCKED, _O.REST, _K.DOOR_CLOSED),
    (_S.FORCED, _G.GRANTED): (_S.OPEN, _O.PULSE, None),
    (_S.FORCED, _G.LEAF_CLOSED): (_S.LOCKED, _O.REST, _K.DOOR_CLOSED),
    **{(state, _G.FREE): (_S.FREE, _O.HOLD, _K.FREE_ON) for state in _ANYWHERE},
    (_S.FREE, _G.LEAF_OPENED): (_S.FREE, None, _K.DOOR_OPENED),
    (_S.FREE, _G.LEAF_CLOSED): (_S.FREE, None, _K.DOOR_CLOSED),
    # Where the leaf stands decides between LOCKED and OPEN, here and after a fire; see Door.hear.
    (_S.FREE, _G.FREE_OVER): (_S.LOCKED, _O.REST, _K.FREE_OFF),
    **{(state, _G.FIRE): (_S.RELEASED, _O.HOLD_FOR_FIRE, _K.FIRE_ON) for state in (*_ANYWHERE, _S.FREE)},
    (_S.RELEASED, _G.LEAF_OPENED): (_S.RELEASED, None, _K.DOOR_OPENED),
    (_S.RELEASED, _G.LEAF_CLOSED): (_S.RELEASED, None, _K.DOOR_CLOSED),
    (_S.RELEASED, _G.FIRE_OVER): (_S.LOCKED, _O.REST, _K.FIRE_OFF),
}
"""Every move a door can make; a signal without a row changes nothing."""


@dataclass(frozen=True, slots=True)
class Door:
    """A door at one moment.

    Args:
        leaf_open: what the contact last said.
        pulse_until: monotonic second at which the release ends, or None at rest or when held.
        open_since: monotonic second since which the leaf stands open.
        grace_until: monotonic second until which an opening is late, not forced.
    """

    timing: Timing = Timing()
    state: State = State.LOCKED
    leaf_open: bool = False
    pulse_until: float | None = None
    open_since: float | None = None
    grace_until: float = float("-inf")

    def hear(self, signal: Signal, mono: float) -> tuple["Door", LockOrder | None, Kind | None]:
        """The door after a signal, what the lock shall do, and what is to be journaled."""
        door = self
        if signal is Signal.LEAF_OPENED and not self.leaf_open:
            door = replace(door, leaf_open=True, open_since=mono)
        elif signal is Signal.LEAF_CLOSED:
            door = replace(door, leaf_open=False, open_since=None)
        if signal is Signal.LEAF_OPENED and self.state is State.LOCKED and mono < self.grace_until:
            signal = Signal.LEAF_OPENED_LATE
        state, order, kind = TABLE.get((self.state, signal), (self.state, None, None))
        if state is State.LOCKED and door.leaf_open and self.state in {State.FREE, State.RELEASED}:
            # The time it stood open meanwhile is nobody's fault.
            state, door = State.OPEN, replace(door, open_since=mono)
        if order is LockOrder.PULSE:
            door = replace(door, pulse_until=mono + self.timing.open_s)
        elif order is LockOrder.REST:
            door = replace(door, pulse_until=None, grace_until=mono + self.timing.grace_s)
        elif order is not None:
            door = replace(door, pulse_until=None)
        return replace(door, state=state), order, kind

    def due(self, mono: float) -> Signal | None:
        """The signal that the passing of time gives this door now, if any."""
        if self.pulse_until is not None and mono >= self.pulse_until:
            return Signal.PULSE_OVER
        if (
            self.state is State.OPEN
            and self.open_since is not None
            and mono >= self.open_since + self.timing.held_after_s
        ):
            return Signal.OPEN_TOO_LONG
        return None
