"""What a gate remembers of each pass from one try to the next."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """How a pass was used at this gate.

    Args:
        count: admissions so far.
        step: the newest 15 s step that opened, for a rotating pass.
    """

    count: int = 0
    step: int | None = None

    def once_more(self, step: int | None) -> "Use":
        """This use and one more; the newest step never goes back, nor is it lost to a printed card."""
        if step is None or (self.step is not None and step < self.step):
            step = self.step
        return Use(self.count + 1, step)
