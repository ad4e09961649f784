"""Presence: which codes are before the camera, and whose passes they proved to be.

A phone shows its holder's pass as one code after another, so a new text need
not be a new try. But only a code that proved to be of a pass keeps that pass
present; otherwise a poster with somebody's pass id could lock them out. A code
that merely claims a pass keeps present its claim and the refusal that it met.
"""

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from agent.core.decision import Reason

AWAY_S: Final = 1.5
"""A code unseen for this long was taken away; shown again, it is a new try."""

MOST_CODES: Final = 64
"""As many are remembered; many more than a camera's picture can hold."""


Bearer: TypeAlias = tuple[bytes, Reason | None]
"""A pass id, and None if the code proved to be its, or why it proved nothing."""


@dataclass(slots=True)
class Presence:
    """The codes seen last, each with when, and who bears it if that is known."""

    _codes: dict[str, tuple[float, Bearer | None]] = field(default_factory=dict)

    def still_shows(self, text: str, mono: float) -> bool:
        """Note a code, and say whether it has been held up since it was last seen."""
        seen = self._codes.get(text)
        if seen is not None and mono - seen[0] < AWAY_S:
            self._note(text, mono, seen[1])
            return True
        self._note(text, mono, None)
        return False

    def still_holds(self, bearer: Bearer, text: str, mono: float) -> bool:
        """Note who bears a code, and say whether they were already there with another."""
        was_there = any(other == bearer and mono - at < AWAY_S for at, other in self._codes.values())
        self._note(text, mono, bearer)
        return was_there

    def forget(self, bearer: Bearer) -> None:
        """Let the codes of a bearer be new tries: something has changed for them."""
        for text in [text for text, (_, other) in self._codes.items() if other == bearer]:
            del self._codes[text]

    def _note(self, text: str, mono: float, bearer: Bearer | None) -> None:
        self._codes.pop(text, None)
        if len(self._codes) >= MOST_CODES:
            # Codes that proved to be nobody's go first, so that a flood of them hides no pass.
            unproven = (text for text, (_, other) in self._codes.items() if other is None or other[1])
            del self._codes[next(unproven, next(iter(self._codes)))]
        self._codes[text] = mono, bearer
