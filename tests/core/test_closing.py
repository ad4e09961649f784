"""A day's account: everything in it once, signed, and nothing of it to be talked away."""

import json
from dataclasses import replace

import pytest

from agent.core.chain import GENESIS, extend
from agent.core.closing import Account, Statement, counted_as, local_day
from agent.core.events import Event, Kind, Place, body
from agent.core.feed import FeedFault
from tests.core.builders import DAY, HOUR, MALLORY, NOON, SITE, at, ed25519, public

GATE_KEY = ed25519("gate north")
EPOCH = "0123456789abcdef"
BEIJING = 480


def entered(account: Account, seq: int, kind: Kind, utc: float = NOON, **facts) -> Event:
    event = Event(kind, at(utc=utc), facts)
    place = Place(SITE, "north", EPOCH, seq)
    head = extend(account.head or GENESIS, body(event, place))
    account.enter(place, head, utc, counted_as(kind, facts))
    return event


def a_day() -> Account:
    account = Account()
    entered(account, 1, Kind.JOURNAL_OPENED)
    entered(account, 2, Kind.ADMITTED)
    entered(account, 3, Kind.ADMITTED)
    entered(account, 4, Kind.REFUSED, reason="expired")
    return account


def signed(statement: Statement) -> Statement:
    return replace(statement, signature=GATE_KEY.sign(statement.signed_by_gate()))


def as_event(statement: Statement) -> dict:
    event = Event(Kind.DAY_CLOSED, at(), statement.facts())
    return json.loads(body(event, Place(SITE, "north", EPOCH, 5)))


def test_a_day_is_closed_after_its_local_midnight():
    account = a_day()  # noon in Greenwich, eight in the evening in Beijing
    assert account.due(NOON + 4 * HOUR - 1, BEIJING) is None
    statement = account.due(NOON + 4 * HOUR, BEIJING)
    assert statement.day == local_day(NOON, BEIJING) == "2026-03-02"
    assert account.due(NOON + 4 * HOUR, 0) is None
    assert (statement.first.seq, statement.last.seq, statement.head) == (1, 4, account.head)
    assert statement.counts == {"journal.opened": 1, "pass.admitted": 2, "pass.refused.expired": 1}


def test_nothing_to_account_for_is_no_statement():
    assert Account().due(NOON + 9 * DAY, 0) is None


def test_a_statement_is_the_first_entry_of_the_next_account():
    account = a_day()
    entered(account, 5, Kind.DAY_CLOSED, NOON + DAY)
    entered(account, 6, Kind.EXIT, NOON + DAY)
    second = account.due(NOON + 2 * DAY, 0)
    assert (second.first.seq, second.last.seq, second.day) == (5, 6, "2026-03-03")
    assert second.counts == {"day.closed": 1, "exit.pressed": 1}


def test_it_comes_back_from_its_event_as_it_was_signed():
    statement = signed(a_day().due(NOON + DAY, 0))
    read = Statement.read(as_event(statement), SITE, "north")
    assert read == statement
    assert read.holds(public(GATE_KEY))
    assert not read.holds(public(MALLORY))


@pytest.mark.parametrize(
    "lie", [{"day": "2026-03-01"}, {"counts": {"pass.admitted": 4}}, {"head": bytes(32)}], ids=str
)
def test_no_word_of_it_can_be_changed(lie):
    statement = signed(a_day().due(NOON + DAY, 0))
    assert not replace(statement, **lie).holds(public(GATE_KEY))
    assert not replace(statement, last=replace(statement.last, gate="south")).holds(public(GATE_KEY))


def test_the_offices_countersignature_is_not_the_gates():
    statement = a_day().due(NOON + DAY, 0)
    assert statement.signed_by_office() != statement.signed_by_gate()


WRONG = {
    "day": ["yesterday", None],
    "first_epoch": ["0", 7],
    "first_seq": [0, "1", True, 1 << 53],
    "last_seq": [None, -1],
    "head": ["00", 0],
    "events": [5, 0, "4"],
    "count.pass.admitted": [0, -1, 1.5, "2", True],
    "sig": ["", "zz" * 64],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, some in WRONG.items() for value in some])
def test_what_is_no_statement_is_told_so(name, value):
    event = as_event(signed(a_day().due(NOON + DAY, 0)))
    event["data"][name] = value
    with pytest.raises(FeedFault):
        Statement.read(event, SITE, "north")


@pytest.mark.parametrize(
    "event", [{}, {"type": "menshen.exit.pressed", "data": {}}, {"type": "menshen.day.closed"}]
)
def test_another_event_is_no_statement(event):
    with pytest.raises(FeedFault):
        Statement.read(event, SITE, "north")


def test_an_unsigned_one_says_no_signature():
    assert "sig" not in a_day().due(NOON + DAY, 0).facts()
