"""The cast: who comes to which gate with what, and what the gate must answer.

The answer is written here from the rules, not taken from a run; a gate that
answers anything else makes the demonstration fail.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

GATES: Final = {"north": "main", "garage": "garage"}
"""Each gate and its zone."""

SHOWN_S: Final = 2.4
EVERY_S: Final = 3.0
FIRST_S: Final = 1.0
COPIED_AFTER_S: Final = 5.0
"""Longer than the pause between two turns, so that the copy is never newer than what has opened."""
LAST_WORD_S: Final = 1.5
"""After the last code has gone: the reader's time and the gate's."""

ADMITTED: Final = "admitted"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the office's books.

    Args:
        key: `ed25519` or `p256` for a phone with a rotating code; empty for a card.
        from_days, until_days: validity, relative to today.
        then: `revoke` or `suspend`, after approval.
    """

    name: str
    kind: str
    zones: tuple[str, ...] = ("main", "garage")
    key: str = ""
    uses: int = 0
    from_days: int = -1
    until_days: int = 30
    then: str = ""


PEOPLE: Final = {
    person.name: person
    for person in (
        Person("Li Ming", "resident", key="ed25519"),
        Person("Chen Lan", "staff", key="p256"),
        Person("Ma Rui", "resident", key="p256"),
        Person("Yu Fang", "resident", key="ed25519"),
        Person("Zhao Min", "visitor", ("main",)),
        Person("Sun Yue", "visitor", from_days=-9, until_days=-2),
        Person("Wu Gang", "contractor", from_days=1),
        Person("Gao Jie", "staff", then="revoke"),
        Person("He Ping", "contractor", then="suspend"),
        Person("Tang Wei", "courier", uses=1),
    )
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One approach to a gate.

    Args:
        who: a name in PEOPLE; or whose pass is imitated.
        trick: `forged` (signed by another key), `copied` (photographed at the other gate a moment ago),
            `unknown` (a pass of no site), `poster` (some other code); empty for an honest try.
        answer: `admitted`, or the reason for refusing.
    """

    gate: str
    who: str
    answer: str
    trick: str = ""
    medium: str = "phone"
    condition: str = "day"


_ACTS: Final = (
    Turn("north", "Li Ming", ADMITTED),
    Turn("garage", "Sun Yue", "expired", medium="card", condition="glare"),
    Turn("north", "a poster", "malformed", trick="poster", medium="card"),
    Turn("garage", "Li Ming", "replayed", trick="copied"),
    Turn("north", "Zhao Min", ADMITTED, medium="card", condition="oblique"),
    Turn("garage", "Tang Wei", ADMITTED, medium="card", condition="dim"),
    Turn("north", "Li Ming", "forged", trick="forged"),
    Turn("garage", "Zhao Min", "wrong_zone", medium="card", condition="blur"),
    Turn("north", "Gao Jie", "revoked", medium="card", condition="night"),
    Turn("garage", "Chen Lan", ADMITTED, medium="dark-phone", condition="night"),
    Turn("north", "a stranger", "unknown_pass", trick="unknown"),
    Turn("garage", "Tang Wei", "used_up", medium="card"),
    Turn("north", "Ma Rui", ADMITTED, medium="dark-phone", condition="moire"),
    Turn("garage", "He Ping", "suspended", medium="card", condition="rolled"),
    Turn("north", "Wu Gang", "not_yet_valid", medium="card"),
    Turn("garage", "Yu Fang", ADMITTED, condition="small"),
    Turn("north", "Zhao Min", ADMITTED, medium="card", condition="bright"),
    Turn("garage", "Gao Jie", "revoked", medium="card"),
)


def scenes(seconds: float) -> Iterator[tuple[float, Turn]]:
    """Who comes when, for as long as the demonstration lasts; at least one to each gate.

    Yields:
        The second at which the approach begins, and the approach. The gates play at the same time;
        after the last act the first follows again.
    """
    rounds = max(1, int((seconds - FIRST_S - LAST_WORD_S) // EVERY_S))
    for gate in GATES:
        acts = [turn for turn in _ACTS if turn.gate == gate]
        for number in range(rounds):
            turn = acts[number % len(acts)]
            if turn.who == "Tang Wei" and number >= len(acts):
                turn = Turn(turn.gate, turn.who, "used_up", medium=turn.medium)  # one use is one use
            yield FIRST_S + number * EVERY_S, turn
