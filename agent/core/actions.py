"""Actions: what the gatekeeper wants done, in this order, by the shell.

The core ends at a tuple of these. A Record before an Unlock means: not the
second before the first is durable.
"""

from dataclasses import dataclass
from typing import TypeAlias

from agent.core.answers import Pattern
from agent.core.events import Event
from agent.core.rules import Vows


@dataclass(frozen=True, slots=True)
class Record:
    """Write the event to the journal."""

    event: Event


@dataclass(frozen=True, slots=True)
class Unlock:
    """Energise the lock's release for so many seconds."""

    for_s: float


@dataclass(frozen=True, slots=True)
class HoldUnlocked:
    """Release until further notice: fire, or free passage."""

    fire: bool = True


@dataclass(frozen=True, slots=True)
class Lock:
    """Rest the lock now."""


@dataclass(frozen=True, slots=True)
class Show:
    """Play a pattern of light and tone."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep what is vowed through a restart."""

    vows: Vows


Action: TypeAlias = Record | Unlock | HoldUnlocked | Lock | Show | Remember
"""One thing to be done."""

Actions: TypeAlias = tuple[Action, ...]
"""Things to be done, in order."""
