"""Debouncing by time: a level counts once it has lasted.

Pure: told of levels and moments, asks for nothing. A settled change is found
from the moments of the edges alone, so that one that came and went between
two looks is still seen, however late anybody looks.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Debouncer:
    """One wire.

    Args:
        lasting_s: how long a level must last before it counts.
        settled: the state that counts now.
        level, since: the newest level seen and the monotonic second at which it began.
    """

    lasting_s: float
    settled: bool
    level: bool
    since: float

    def at(self, level: bool, mono: float) -> tuple[bool, float] | None:
        """Take in the level that the wire has at mono; mono must not run backwards.

        Returns:
            The state that settled meanwhile and when it began, or None. Asked again with
            the same level, this also settles the newest level once it has lasted.
        """
        news = None
        if self.level != self.settled and mono - self.since >= self.lasting_s:
            self.settled = self.level
            news = (self.settled, self.since)
        if level != self.level:
            self.level, self.since = level, mono
        return news
