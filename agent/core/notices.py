"""Notices: what a gate hears other than codes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from agent.core.allowlist import Allowlist


class Wire(StrEnum):
    """The inputs a board may have."""

    EXIT = "exit"  # the button inside
    DOOR = "door"  # the contact: active while the leaf stands open
    TAMPER = "tamper"  # the housing's loop: active when broken
    FIRE = "fire"  # the fire panel's relay: active in an alarm


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


Notice: TypeAlias = WireChanged | CameraChanged | ListSwitched | ListRefused | Order
