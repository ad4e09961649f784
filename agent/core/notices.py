"""Notices: what a gate hears other than codes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from agent.core.allowlist import Allowlist
from agent.core.events import Fact, Kind, Place
from agent.core.memory import Use


class Wire(StrEnum):
    """The inputs a board may have."""

    EXIT = "exit"  # the button inside
    DOOR = "door"  # the contact: active while the leaf stands open
    TAMPER = "tamper"  # the housing's loop: active when broken
    FIRE = "fire"  # the fire panel's relay: active in an alarm
    SECOND = "second"  # the other door of an interlock: active while it stands open
    LOCK = "lock"  # the lock's monitor, or the relay's second pole: active while released


@dataclass(frozen=True, slots=True)
class WireChanged:
    """An input settled in a new state, after debouncing.

    Args:
        active: True in the sense of Wire's comments, whatever the polarity of the pin.
    """

    wire: Wire
    active: bool


class CameraState(StrEnum):
    """What the picture source is doing."""

    GOOD = "good"
    LOST = "lost"  # no frame for some seconds
    FROZEN = "frozen"  # frames, but always the same picture


@dataclass(frozen=True, slots=True)
class CameraChanged:
    """The camera went or came back."""

    state: CameraState


@dataclass(frozen=True, slots=True)
class ListSwitched:
    """A newer allowlist was verified and is in use from now on."""

    allowlist: Allowlist


@dataclass(frozen=True, slots=True)
class ListRefused:
    """A list was offered and not believed; the old one stays in use."""

    why: str


@dataclass(frozen=True, slots=True)
class Order:
    """A signed order that has been verified: lock the gate down or release it."""

    lockdown: bool
    by: str = ""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A signed order that has been verified: let one through now, as a guard would, lockdown or not."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceOrder:
    """A signed order that has been verified: somebody works on the gate, or has done."""

    on: bool
    by: str = ""


@dataclass(frozen=True, slots=True)
class IdentifyOrder:
    """A signed order that has been verified: show which gate you are."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class RelayLost:
    """The process that holds the lock's relay is gone or hung, and is being started again."""

    why: str


@dataclass(frozen=True, slots=True)
class RelayBack:
    """It serves again, the lock at rest."""


@dataclass(frozen=True, slots=True)
class MachineChanged:
    """The machine under the gate grew hot, sagged, lost its card's trust, or is well again.

    Args:
        kind: of the event that says so.
    """

    kind: Kind
    facts: Mapping[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A pass was let through by another gate of the site.

    Args:
        use: how it was used there, so far; the count only for a pass that may come in so often.
        sure: whether that gate's clock was.
    """

    gate: str
    pass_id: bytes
    zone: str
    use: Use
    sure: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """Another gate of the site raised an alarm."""

    place: Place
    kind: Kind
    at_utc: float


@dataclass(frozen=True, slots=True)
class Told:
    """What another gate of the site has told, its signature verified.

    Args:
        follows: the event before those that it told; None if there was none.
        upto: the last that it told.
    """

    follows: Place | None
    upto: Place
    passages: tuple[Passage, ...] = ()
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True, slots=True)
class FalseWord:
    """Somebody spoke in the name of another gate, and it was not that gate."""

    gate: str
    why: str


Notice: TypeAlias = (
    WireChanged
    | CameraChanged
    | ListSwitched
    | ListRefused
    | Order
    | OpenOrder
    | MaintenanceOrder
    | IdentifyOrder
    | RelayLost
    | RelayBack
    | MachineChanged
    | Told
    | FalseWord
)
