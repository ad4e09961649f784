"""The verdict: what the gates did and what the office has, against the truth."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.config import load
from agent.core.events import TYPE_PREFIX, Kind
from agent.demo.cast import ADMITTED, Turn
from agent.stores.journal_reader import JournalReader

_ANSWERS: Final = {TYPE_PREFIX + Kind.ADMITTED, TYPE_PREFIX + Kind.REFUSED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out.

    Args:
        faults: a sentence for each event lost or doubled and each wrong decision; empty is a success.
        answers: how often each answer was given, over all gates.
        events: in the gates' journals.
    """

    faults: tuple[str, ...]
    answers: Mapping[str, int]
    events: int


def judge(
    expected: Mapping[str, Sequence[Turn]], configs: Mapping[str, Path], feed: Sequence[Mapping[str, Any]]
) -> Verdict:
    """Hold every gate's journal against the truth, and the office's feed against the journals.

    Args:
        expected: each gate's approaches, in order.
        configs: each gate's configuration file.
        feed: the office's events.
    """
    faults: list[str] = []
    answers: Counter[str] = Counter()
    events = 0
    for gate, turns in expected.items():
        journal = list(_journal(configs[gate]))
        events += len(journal)
        given = [_answer(event) for event in journal if event["type"] in _ANSWERS]
        answers.update(given)
        faults += _wrong_decisions(gate, turns, given)
        faults += _feed_faults(gate, [event["id"] for event in journal], feed)
    return Verdict(tuple(faults), answers, events)


def _journal(config_path: Path) -> Iterator[dict[str, Any]]:
    config = load(config_path)
    with closing(JournalReader(config.journal_file)) as journal:
        for _, body in journal.bodies():
            yield json.loads(body)


def _answer(event: Mapping[str, Any]) -> str:
    return str(event["data"].get("reason", ADMITTED))


def _wrong_decisions(gate: str, turns: Sequence[Turn], given: Sequence[str]) -> Iterator[str]:
    wanted = [turn.answer for turn in turns]
    if list(given) == wanted:
        return
    yield f"gate {gate}: wanted {', '.join(wanted)}; it answered {', '.join(given) or 'nothing'}"


def _feed_faults(gate: str, journal: Sequence[str], feed: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    arrived = [f"{event['epoch']}/{event['seq']}" for event in feed if event["gate"] == gate]
    times = Counter(arrived)
    if lost := [key for key in journal if not times[key]]:
        yield f"gate {gate}: the office lacks {len(lost)} of {len(journal)} events, the first is {lost[0]}"
    if doubled := [key for key, count in times.items() if count > 1]:
        yield f"gate {gate}: the office has {len(doubled)} events twice, the first is {doubled[0]}"
    if foreign := [key for key in times if key not in set(journal)]:
        yield f"gate {gate}: the office has {len(foreign)} events that the gate never wrote, such as {foreign[0]}"
    if not lost and not doubled and not foreign and arrived != list(journal):
        yield f"gate {gate}: the office has the events in another order"
