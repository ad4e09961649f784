"""What gates say to each other, on the wire; and how far a gate has heard the others."""

import json
import zlib

import pytest

from agent.core.events import Kind, Place
from agent.core.feed import MAX_LINES_BYTES, FeedFault, Rewind, pack_message
from agent.core.fellows import GIVE_UP_S, Ask, Heard, fold, unfold
from tests.core.a_fellow import Journal
from tests.core.builders import SITE

# --- the wire -------------------------------------------------------------------------


def test_a_run_survives_the_way():
    header, bodies = Journal().wrote(Kind.JOURNAL_OPENED).admitted().run()
    assert unfold(fold(header, bodies)) == (header, tuple(bodies))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not zlib",
        zlib.compress(b"{}")[:-1],
        zlib.compress(b"{}") + b"more",
        zlib.compress(bytes(MAX_LINES_BYTES + 1)),
    ],
)
def test_lines_that_are_cut_padded_or_a_bomb_are_refused(packed):
    header, _ = Journal().wrote(Kind.JOURNAL_OPENED).run()
    with pytest.raises(FeedFault):
        unfold(pack_message(header, packed))


def test_a_question_survives_the_way():
    for after in (
        Place(SITE, "south", "00000000000000b2", 7),
        Rewind.beginning(SITE, "south").place,
    ):
        ask = Ask("garage", after)
        assert Ask.from_bytes(ask.to_bytes()) == ask


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"ask": "rewind"},
        {"gate": "../south"},
        {"epoch": "b2"},
        {"seq": -1},
        {"seq": "1"},
        {"by": None, "site": 1},
        {"by": "x" * 600},
    ],
)
def test_what_is_no_question_is_refused(change):
    fields = json.loads(Ask("garage", Place(SITE, "south", "00000000000000b2", 7)).to_bytes())
    with pytest.raises(FeedFault):
        Ask.from_bytes(json.dumps({**fields, **change}).encode())


# --- how far ----------------------------------------------------------------------------


def test_what_was_heard_is_not_heard_again():
    journal, heard = Journal().wrote(Kind.JOURNAL_OPENED).admitted(), Heard()
    assert heard.take(journal.heard(), 0.0)
    assert not heard.take(journal.heard(), 1.0)
    assert not heard.take(journal.heard(first=2), 1.0)
    journal.admitted("bob")
    assert heard.take(journal.heard(first=3), 2.0)
    assert heard.upto == {"south": Place(SITE, "south", journal.epoch, 3)}


def test_what_was_before_the_first_that_was_heard_is_news_too():
    journal, heard = Journal().wrote(Kind.JOURNAL_OPENED).admitted(), Heard()
    before = journal.heard()
    journal.admitted("bob").admitted("carol")
    assert heard.take(journal.heard(first=4), 0.0)
    assert heard.take(before, 1.0)
    assert heard.upto["south"].seq == 4
    assert not heard.take(journal.heard(first=4), 2.0)


def test_over_a_gap_nothing_counts_as_heard_until_it_is_filled():
    journal, heard = Journal().wrote(Kind.JOURNAL_OPENED), Heard()
    heard.take(journal.heard(), 0.0)
    journal.admitted().admitted("bob")
    assert heard.take(journal.heard(first=3), 1.0), "what it says is used all the same"
    assert heard.upto["south"].seq == 1
    assert heard.take(journal.heard(first=2), 2.0)
    assert heard.upto["south"].seq == 3


def test_what_a_fellow_no_longer_has_is_given_up():
    journal, heard = Journal().wrote(Kind.JOURNAL_OPENED), Heard()
    heard.take(journal.heard(), 0.0)
    journal.admitted().admitted("bob")
    heard.take(journal.heard(first=3), 1.0)
    journal.admitted("carol")
    heard.take(journal.heard(first=4), GIVE_UP_S)
    assert heard.upto["south"].seq == 1
    heard.take(journal.heard(first=4), GIVE_UP_S + 1.0)
    assert heard.upto["south"].seq == 4


def test_a_restarted_fellow_is_heard_on_without_a_gap():
    old, heard = Journal().wrote(Kind.JOURNAL_OPENED).admitted(), Heard()
    heard.take(old.heard(), 0.0)
    new = Journal(epoch="00000000000000c3").wrote(Kind.JOURNAL_OPENED, prev_epoch=old.epoch, prev_seq=2)
    assert heard.take(new.heard(), 1.0)
    assert heard.upto["south"] == Place(SITE, "south", new.epoch, 1)


def test_a_fellow_that_lost_its_card_begins_anew_after_a_while():
    heard = Heard()
    heard.take(Journal().wrote(Kind.JOURNAL_OPENED).heard(), 0.0)
    new = Journal(epoch="00000000000000c3").wrote(Kind.JOURNAL_OPENED)
    heard.take(new.heard(), 1.0)
    assert heard.upto["south"].epoch != new.epoch
    heard.take(new.heard(), 1.0 + GIVE_UP_S)
    assert heard.upto["south"].epoch == new.epoch
