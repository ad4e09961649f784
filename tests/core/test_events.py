"""One event, one line: a CloudEvent that any tool can read."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.events import Event, Kind, Place, body, lead, tail
from agent.core.moments import Trust
from tests.core.builders import at

HERE = Place("willow-court", "north", "0123456789abcdef", 42)
FACTS = st.dictionaries(
    st.text(max_size=20).filter(lambda key: key != "clock"),
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
)


def test_an_admission_reads_like_this():
    event = Event(
        Kind.ADMITTED, at(0.5, trust=Trust.HOLDOVER), {"pass": "182f35e6f0631476", "direction": "in"}
    )
    assert body(event, HERE) == (
        b'{"specversion":"1.0","id":"0123456789abcdef/42","source":"/site/willow-court/gate/north",'
        b'"type":"menshen.pass.admitted","time":"2026-03-02T12:00:00.500Z",'
        b'"data":{"clock":"holdover","pass":"182f35e6f0631476","direction":"in"}}'
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_a_valid_cloudevent(kind):
    fields = json.loads(body(Event(kind, at()), HERE))
    assert fields["specversion"] == "1.0"
    for required in ("id", "source", "type"):
        assert isinstance(fields[required], str)
        assert fields[required]
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in fields), "attribute names of CloudEvents 1.0"
    assert re.fullmatch(r"menshen(\.[a-z]+)+", fields["type"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["time"])
    assert re.fullmatch(r"/site/[a-z0-9-]+/gate/[a-z0-9-]+", fields["source"])


def test_no_two_kinds_share_a_type():
    assert len({kind.value for kind in Kind}) == len(Kind)


@given(FACTS)
def test_an_event_is_one_line_whatever_its_facts_say(facts):
    line = body(Event(Kind.FAULT, at(), facts), HERE)
    assert b"\n" not in line
    assert b"\r" not in line
    assert json.loads(line)["data"] == {"clock": "synced", **facts}


def test_chinese_stays_readable():
    assert "门卫".encode() in body(Event(Kind.LOCKDOWN_ON, at(), {"by": "门卫"}), HERE)


def test_a_fact_that_quotes_broken_text_cannot_stop_its_event():
    line = body(Event(Kind.LIST_REFUSED, at(), {"why": "found \ud800 in the list"}), HERE)
    assert json.loads(line)["data"]["why"] == "found ? in the list"


def test_a_line_is_what_follows_from_its_place_and_then_what_follows_from_the_event():
    event = Event(Kind.EXIT, at(), {"by": "门卫"})
    assert body(event, HERE) == lead(HERE) + tail(event)
    assert tail(event).startswith(b'exit.pressed",')
