"""Presence: which codes are before the camera, and whose passes they proved to be.

A phone shows its holder's pass as one code after another, so a new text need
not be a new try. But only a code that proved to be of a pass keeps that pass
present; otherwise a poster with somebody's pass id could lock them out.
"""

from dataclasses import dataclass, field
from typing import Final

AWAY_S: Final = 1.5
"""A code unseen for this long was taken away; shown again, it is a new try."""

MOST_CODES: Final = 64
"""As many are remembered; many more than a camera's picture can hold."""


@dataclass(slots=True)
class Presence:
    """The codes seen last, each with when and the pass id it proved to be of, if any."""

    _codes: dict[str, tuple[float, bytes | None]] = field(default_factory=dict)

    def still_shows(self, text: str, mono: float) -> bool:
        """Note a code, and say whether it has been held up since it was last seen."""
        seen = self._codes.get(text)
        if seen is not None and mono - seen[0] < AWAY_S:
            self._note(text, mono, seen[1])
            return True
        self._note(text, mono, None)
        return False

    def still_holds(self, pass_id: bytes, text: str, mono: float) -> bool:
        """Note that a code proved to be of a pass, and say whether it was already there under another."""
        was_there = any(owner == pass_id and mono - at < AWAY_S for at, owner in self._codes.values())
        self._note(text, mono, pass_id)
        return was_there

    def _note(self, text: str, mono: float, owner: bytes | None) -> None:
        self._codes.pop(text, None)
        if len(self._codes) >= MOST_CODES:
            # Codes that proved to be nobody's go first, so that a flood of them hides no pass.
            oldest = next((text for text, (_, owner) in self._codes.items() if owner is None), None)
            del self._codes[oldest if oldest is not None else next(iter(self._codes))]
        self._codes[text] = mono, owner
