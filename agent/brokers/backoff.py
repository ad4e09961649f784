"""How long to wait before trying again.

Own, because paho's `reconnect_delay_set` has no jitter, wakes a thousand gates
at the same moment after a power cut, and forgets its delay at each greeting:
two gates with one identity would throw each other out for ever at full speed.
"""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Doubling waits with equal jitter: each is between half of itself and the whole.

    Args:
        first_s, most_s: the first wait and the ceiling.
        chance: 0.0 to below 1.0.
    """

    first_s: float
    most_s: float
    chance: random.Random = field(default_factory=random.Random)
    _next_s: float = field(default=0.0, init=False)

    def wait_s(self) -> float:
        """Seconds to wait now; the next will be longer."""
        whole = self._next_s or self.first_s
        self._next_s = min(2 * whole, self.most_s)
        return whole * (0.5 + 0.5 * self.chance.random())

    def calm(self) -> None:
        """It has been well for a while: begin again with short waits."""
        self._next_s = 0.0
