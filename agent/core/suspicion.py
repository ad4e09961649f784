"""Abnormal use: who guesses, who is refused again and again, who comes at an odd hour.

Told of each refusal; says what the office should hear of, at once, and then not
again for a while. It also slows the answers that a guesser gets: after a few
worthless codes the next answer is a second away, then two, four and eight, and
ten quiet seconds end it. A pass that proves to be real is none of its business,
so nobody honest waits behind a guesser.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from agent.core.events import Fact

GUESSES: Final = 5
"""Wrong tries before the alarm; GB 50396-2007 wants it after at most five."""
GUESSES_WITHIN_S: Final = 60.0
REFUSALS: Final = 3
REFUSALS_WITHIN_S: Final = 600.0
AGAIN_AFTER_S: Final = 60.0
ODD_HOUR_AGAIN_S: Final = 3600.0
TRAVEL_S: Final = 10.0
"""Nobody is at two gates of one zone within so few seconds; the same printed card is then two cards."""
QUIET_S: Final = 10.0
SLOWEST_S: Final = 8.0
MOST_PASSES: Final = 64

Alert = Mapping[str, Fact]


@dataclass(slots=True)
class Suspicion:
    """One gate's memory of misbehaviour; bounded."""

    _guesses: list[float] = field(default_factory=list)
    _told_at: float = float("-inf")
    _false_word_at: float = float("-inf")
    _refused: dict[bytes, list[float]] = field(default_factory=dict)
    _odd_hours: dict[bytes, float] = field(default_factory=dict)
    _copies: dict[bytes, float] = field(default_factory=dict)
    _slow_s: float = 0.0
    _answer_at: float = float("-inf")

    def guess(self, mono: float) -> Alert | None:
        """A worthless code was shown."""
        if self._guesses and mono - self._guesses[-1] >= QUIET_S:
            self._slow_s, self._answer_at = 0.0, float("-inf")
        self._guesses = [at for at in self._guesses[1 - GUESSES :] if mono - at < GUESSES_WITHIN_S] + [mono]
        if len(self._guesses) < GUESSES or mono - self._told_at < AGAIN_AFTER_S:
            return None
        self._told_at = mono
        return {"what": "guessing", "tries": GUESSES, "within_s": round(mono - self._guesses[0], 1)}

    def answers(self, mono: float) -> bool:
        """Whether the guess just told is answered; a guesser who has been told enough waits."""
        if len(self._guesses) < GUESSES:
            return True
        if mono < self._answer_at:
            return False
        self._slow_s = min(max(1.0, 2 * self._slow_s), SLOWEST_S)
        self._answer_at = mono + self._slow_s
        return True

    def refusal(self, pass_id: bytes, odd_hour: bool, mono: float) -> Alert | None:
        """A real pass was refused; odd_hour if it was outside its schedule."""
        if odd_hour:
            if mono - self._odd_hours.get(pass_id, float("-inf")) < ODD_HOUR_AGAIN_S:
                return None
            _note(self._odd_hours, pass_id, mono)
            return {"what": "odd_hour", "pass": pass_id.hex()}
        tries = [at for at in self._refused.get(pass_id, ()) if mono - at < REFUSALS_WITHIN_S] + [mono]
        _note(self._refused, pass_id, tries)
        if len(tries) < REFUSALS:
            return None
        self._refused[pass_id] = []
        return {"what": "refused_again", "pass": pass_id.hex(), "tries": len(tries)}

    def copied(self, pass_id: bytes, gate: str, mono: float) -> Alert | None:
        """A code was shown here that was used at another gate a moment ago."""
        if mono - self._copies.get(pass_id, float("-inf")) < AGAIN_AFTER_S:
            return None
        _note(self._copies, pass_id, mono)
        return {"what": "two_gates", "pass": pass_id.hex(), "gate": gate}

    def false_word(self, gate: str, mono: float) -> Alert | None:
        """Somebody spoke in another gate's name."""
        if mono - self._false_word_at < AGAIN_AFTER_S:
            return None
        self._false_word_at = mono
        return {"what": "false_word", "gate": gate}


_T = TypeVar("_T")


def _note(memory: dict[bytes, _T], pass_id: bytes, value: _T) -> None:
    memory.pop(pass_id, None)
    if len(memory) >= MOST_PASSES:
        del memory[next(iter(memory))]
    memory[pass_id] = value
