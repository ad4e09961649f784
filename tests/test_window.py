"""The sender's window against a network that loses, repeats and reorders."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.window import FIRST_IN_FLIGHT, MAX_IN_FLIGHT, MOST_PATIENCE_S, PATIENCE_S, Window

BATCH = 3


def send_all(window: Window, newest: int, mono: float) -> list[tuple[int, int]]:
    """Send as much as the window allows, BATCH rows a message; returns (after, last) of each."""
    messages = []
    while (after := window.next_after(mono)) is not None and after < newest:
        last = min(after + BATCH, newest)
        window.sent(last, mono)
        messages.append((after, last))
    return messages


def test_four_messages_leave_and_the_fifth_waits_for_the_office():
    window = Window()
    assert send_all(window, 100, 0.0) == [(0, 3), (3, 6), (6, 9), (9, 12)]
    assert window.in_flight == FIRST_IN_FLIGHT
    assert send_all(window, 100, 1.5) == []
    assert window.acknowledged(6, 1.5)
    assert send_all(window, 100, 1.5) == [(12, 15), (15, 18)]


def test_an_office_that_answers_at_once_is_given_more_and_never_more_than_the_most():
    window, most = Window(), 0
    for tick in range(30):
        messages = send_all(window, 10_000, 0.1 * tick)
        most = max(most, window.in_flight)
        window.acknowledged(messages[0][1], 0.1 * tick + 0.05)
    assert most == MAX_IN_FLIGHT
    assert window.in_flight <= MAX_IN_FLIGHT


def test_a_link_that_becomes_slow_holds_less_and_never_less_than_four():
    window, mono = Window(), 0.0
    for _ in range(MAX_IN_FLIGHT):
        messages = send_all(window, 10_000, mono)
        window.acknowledged(messages[0][1], mono)
    held = []
    for _ in range(60):
        send_all(window, 10_000, mono)
        held.append(window.in_flight)
        mono += 1.5
        window.acknowledged(window.acked + BATCH, mono)
    assert held[0] == MAX_IN_FLIGHT
    assert held[-1] == FIRST_IN_FLIGHT


def test_silence_takes_back_what_was_given():
    window = Window()
    for _ in range(MAX_IN_FLIGHT):
        window.acknowledged(send_all(window, 10_000, 0.0)[-1][1], 0.0)
    send_all(window, 10_000, 0.0)
    assert len(send_all(window, 10_000, PATIENCE_S)) == 1
    assert window.acknowledged(window.acked + BATCH, PATIENCE_S + 1.5)
    assert len(send_all(window, 10_000, PATIENCE_S + 1.5)) == FIRST_IN_FLIGHT


def test_two_silent_seconds_send_again_one_at_a_time_and_ever_more_seldom():
    window, mono, waits = Window(), 0.0, []
    assert len(send_all(window, 100, mono)) == 4
    for _ in range(7):
        before = mono
        while not (again := send_all(window, 100, mono)):
            mono += 0.5
        assert again == [(0, 3)]
        waits.append(mono - before)
    assert waits == [PATIENCE_S, 4.0, 8.0, 16.0, MOST_PATIENCE_S, MOST_PATIENCE_S, MOST_PATIENCE_S]


def test_an_answer_after_a_long_silence_brings_back_full_speed():
    window = Window()
    send_all(window, 100, 0.0)
    assert send_all(window, 100, 2.0) == [(0, 3)]
    assert window.acknowledged(3, 3.5)
    assert len(send_all(window, 100, 3.5)) == 4


def test_progress_renews_the_patience():
    window = Window()
    send_all(window, 12, 0.0)
    assert window.acknowledged(3, 0.9)
    assert send_all(window, 12, 2.8) == []
    assert send_all(window, 12, 2.9) == [(3, 6)]


def test_on_a_slow_link_patience_is_twice_what_progress_took():
    window = Window()
    send_all(window, 12, 0.0)
    assert send_all(window, 12, 2.0) == [(0, 3)]
    assert window.acknowledged(3, 4.5)  # the answer to the first sending
    assert send_all(window, 12, 4.5) == [(3, 6), (6, 9), (9, 12)]
    assert window.acknowledged(6, 9.0)
    assert send_all(window, 12, 17.9) == []
    assert send_all(window, 12, 18.0) == [(6, 9)]


def test_a_new_connection_sends_again_at_once():
    window = Window()
    send_all(window, 100, 0.0)
    window.acknowledged(3, 1.1)
    window.reconnected()
    assert send_all(window, 100, 1.2) == [(3, 6), (6, 9), (9, 12), (12, 15)]


@pytest.mark.parametrize("row", [0, 4, 5])
def test_an_old_acknowledgement_never_moves_it_back(row):
    window = Window(5)
    assert not window.acknowledged(row, 0.0)
    assert (window.acked, window.next_after(0.0)) == (5, 5)


def test_an_acknowledgement_beyond_what_was_sent_carries_it_forward():
    window = Window()
    send_all(window, 100, 0.0)
    assert window.acknowledged(50, 0.1)
    assert (window.acked, window.in_flight, window.next_after(0.1)) == (50, 0, 50)


def test_an_acknowledgement_in_the_middle_of_a_message_keeps_the_message_in_flight():
    window = Window()
    send_all(window, 6, 0.0)
    assert window.acknowledged(4, 0.1)
    assert (window.in_flight, window.next_after(0.1)) == (1, 6)


@dataclass
class Office:
    """Takes messages in any order; keeps rows without gaps."""

    kept: list[int] = field(default_factory=list)

    def take(self, after: int, last: int) -> int:
        upto = self.kept[-1] if self.kept else 0
        if after <= upto:
            self.kept.extend(range(upto + 1, last + 1))
        return self.kept[-1] if self.kept else 0


@dataclass
class Link:
    """A gate's window, a network of many ills, and an office."""

    window: Window = field(default_factory=Window)
    office: Office = field(default_factory=Office)
    mono: float = 0.0
    newest: int = 1
    wire: list[tuple[int, int]] = field(default_factory=list)
    acks: list[int] = field(default_factory=lambda: [0])

    def time_passes(self, seconds: float):
        self.mono += seconds

    def events_happen(self, count: int):
        self.newest += count

    def reconnect(self):
        self.window.reconnected()

    def an_old_ack_arrives(self):
        self.window.acknowledged(self.acks[len(self.acks) // 2], self.mono)

    def lose(self):
        self.wire = self.wire[1:]

    def deliver(self, which: int, times: int, ack_arrives: bool):
        if self.wire:
            message = self.wire.pop(which)
            self.acks += [self.office.take(*message) for _ in range(times)]
            if ack_arrives:
                self.window.acknowledged(self.acks[-1], self.mono)

    def send(self):
        messages = send_all(self.window, self.newest, self.mono)
        self.wire += messages
        return messages


HAPPENING = st.one_of(
    st.tuples(st.just(Link.time_passes), st.floats(0.0, 40.0)),
    st.tuples(st.just(Link.events_happen), st.integers(1, 9)),
    st.tuples(st.sampled_from([Link.reconnect, Link.an_old_ack_arrives, Link.lose])),
    st.tuples(st.just(Link.deliver), st.sampled_from([0, -1]), st.integers(1, 2), st.booleans()),
)


@given(st.lists(HAPPENING, max_size=80))
def test_whatever_the_network_does_every_row_arrives_once_and_in_order(happenings):
    link = Link()
    for what, *details in happenings:
        what(link, *details)
        link.send()
        assert link.window.in_flight <= MAX_IN_FLIGHT
        assert link.window.acked <= max(link.acks)
    for _ in range(link.newest + 3):  # the network is well again
        link.time_passes(MOST_PATIENCE_S)
        for message in link.send():
            link.window.acknowledged(link.office.take(*message), link.mono)
    assert link.office.kept == list(range(1, link.newest + 1))
    assert link.window.acked == link.newest
