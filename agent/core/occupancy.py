"""How many are inside, as far as one gate that is used both ways can know.

Whoever comes in is one more, whoever goes out, by pass or by the button, one
less. After a restart the room counts as empty, which errs on letting people in.
"""

from dataclasses import dataclass

from agent.core.memory import Way


@dataclass(slots=True)
class Occupancy:
    """One room; most is how many it may hold, 0 any number."""

    most: int = 0
    inside: int = 0

    def lets_in(self) -> bool:
        """Whether there is room for one more."""
        return not self.most or self.inside < self.most

    def passed(self, way: Way) -> None:
        """Somebody went through."""
        self.inside = self.inside + 1 if way is Way.IN else max(0, self.inside - 1)
