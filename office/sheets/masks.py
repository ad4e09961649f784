"""How much of who people are a sheet tells, by who takes it (C10, C33)."""

from enum import StrEnum
from typing import Final

_REST: Final = "**"


class Mask(StrEnum):
    """What is told.

    full    names, telephones, plates as they are: for who works with them
    part    `李**`, `138****00`: enough to tell people apart, for who checks
    none    nothing; passes by their ids, for who keeps the gates
    """

    FULL = "full"
    PART = "part"
    NONE = "none"

    def named(self, text: str) -> str:
        """A name; of a masked one only the first character stays, and not its length."""
        return self._told(text, text[:1] + _REST)

    def numbered(self, text: str) -> str:
        """A telephone or a plate: both ends stay, if there is enough between them."""
        return self._told(text, f"{text[:3]}****{text[-2:]}" if len(text) >= 9 else f"{text[:1]}****")

    def placed(self, text: str) -> str:
        """A flat or a company; it stands for who lives there, so it is not told in part."""
        return self._told(text, _REST)

    def _told(self, text: str, part: str) -> str:
        if self is Mask.FULL or not text:
            return text
        return part if self is Mask.PART else ""
