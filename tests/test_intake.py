"""The office's rules for what gates send: each event once, in order, proven; the rest an alert."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import IntegrityError, connection, transaction

from agent.core.events import Kind
from office.home import prepare

prepare()

from agent.core.feed import Rewind  # noqa: E402
from office import models  # noqa: E402
from office.ingest.gaps import GAP_PERSISTS_S, REWIND_AFTER_S  # noqa: E402
from office.ingest.intake import Intake  # noqa: E402
from office.ingest.subscriber import Subscriber  # noqa: E402
from office.ingest.worker import work  # noqa: E402
from office.retention import events as letting_go  # noqa: E402
from tests.signing_gate import NOON, SITE, Desk, SigningGate  # noqa: E402

pytest_plugins = "tests.desk_plugin"


@dataclass
class Last:
    """A message after which there is nothing more to do."""

    topic: str
    payload: bytes
    settled: threading.Event

    def settle(self) -> None:
        self.settled.set()


def test_events_are_kept_in_order_and_acknowledged(desk: Desk, gate: SigningGate) -> None:
    gate.busy(299)
    assert desk.takes(gate, gate.message(1, 200), gate.message(201, 300)) == [(gate.epoch, 300)]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 301)]
    last = models.Event.objects.get(seq=300)
    assert (last.kind, last.reason, last.pass_id) == ("pass.refused", "expired", f"{298:016x}")
    assert (bytes(last.body), last.at_utc) == (gate.bodies[299], NOON + 300)
    assert not desk.alerts()


def test_no_hand_can_take_away_a_gate_that_has_events(desk: Desk, gate: SigningGate) -> None:
    """Not past Django either: on PostgreSQL an event's row no longer refers to its gate's, its epoch's does."""
    desk.takes(gate, gate.message(1, 1))
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM office_gate")
    assert models.Gate.objects.count() == 1


def test_a_message_sent_twice_is_kept_once_and_acknowledged_again(desk: Desk, gate: SigningGate) -> None:
    gate.busy(4)
    for _ in range(2):
        assert desk.takes(gate, gate.message(1, 3)) == [(gate.epoch, 3)]
    assert desk.takes(gate, gate.message(2, 5)) == [(gate.epoch, 5)]  # it overlaps
    assert desk.takes(gate, gate.message(1, 2)) == [(gate.epoch, 2), (gate.epoch, 5)]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 6)]
    assert not desk.alerts()


def test_a_message_beyond_a_gap_waits_for_the_gate_to_send_again(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    assert desk.takes(gate, gate.message(3, 4)) == []
    assert desk.takes(gate, gate.message(1, 2)) == [(gate.epoch, 2)]
    assert desk.takes(gate, gate.message(5, 6)) == [(gate.epoch, 2)]
    assert desk.takes(gate, gate.message(3, 4), gate.message(5, 6)) == [(gate.epoch, 6)]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 7)]
    assert not desk.alerts()


def test_a_gap_that_stays_is_an_alert(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    desk.takes(gate, gate.message(1, 2))
    for desk.mono in (0.0, GAP_PERSISTS_S - 1):
        desk.takes(gate, gate.message(4, 5))
        assert not desk.alerts()
    desk.mono += 3600  # the link was down; the first message after it is lost again
    desk.takes(gate, gate.message(4, 5))
    assert not desk.alerts()
    desk.mono += GAP_PERSISTS_S
    desk.takes(gate, gate.message(4, 5))
    assert desk.alerts() == {"gap": 1}


def test_a_forged_message_changes_nothing_and_is_not_acknowledged(desk: Desk, gate: SigningGate) -> None:
    stranger = SigningGate(key=Ed25519PrivateKey.generate(), bodies=list(gate.bodies))
    assert desk.takes(gate, stranger.message(1, 1)) == []
    gate.busy(2)
    altered = zstandard.compress(gate.bodies[0].replace(b"opened", b"closed"))
    assert desk.takes(gate, gate.message(1, 1, altered)) == []
    assert not desk.keeps()
    assert desk.alerts() == {"wrong_signature": 2}


def test_a_gate_that_is_not_on_record_is_one_alert_however_often(desk: Desk, gate: SigningGate) -> None:
    for name in ("south", "east", "x" * 300, "south"):
        stranger = SigningGate(name).opened()
        assert desk.takes(stranger, stranger.message(1, 1)) == []
    assert desk.alerts() == {"unknown_gate": 4}
    assert models.Alert.objects.count() == 1


def test_a_gate_can_not_speak_for_another(desk: Desk, gate: SigningGate) -> None:
    south = SigningGate("south").opened()
    desk.knows(south)
    assert desk.takes(south, gate.message(1, 1)) == []
    assert desk.alerts() == {"misdirected": 1}


def test_one_history_rewritten_is_a_fork(desk: Desk, gate: SigningGate) -> None:
    gate.busy(4)
    desk.takes(gate, gate.message(1, 3))
    other = SigningGate(gate.name, gate.key, gate.epoch).opened()
    other.busy(4)
    other.bodies[1] = other.bodies[1].replace(b"expired", b"revoked")
    for message in (other.message(4, 5), other.message(1, 3), other.message(1, 2), other.message(2, 5)):
        assert desk.takes(gate, message) == [(gate.epoch, 3)]
    assert desk.keeps() == [(gate.epoch, 1), (gate.epoch, 2), (gate.epoch, 3)]
    assert desk.alerts() == {"fork": 4}


def test_an_epoch_waits_until_the_one_before_it_is_complete(desk: Desk, gate: SigningGate) -> None:
    gate.busy(2)
    after = gate.restarted("00000000000000b2").busy(1)
    assert desk.takes(gate, after.message(1, 2)) == []
    assert desk.takes(gate, gate.message(1, 2), after.message(1, 2)) == [(gate.epoch, 2)]
    assert desk.takes(gate, gate.message(3, 3), after.message(1, 2)) == [(gate.epoch, 3), (after.epoch, 2)]
    assert not desk.alerts()


def test_a_card_put_back_in_time_is_noticed_and_loses_nothing_new(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    desk.takes(gate, gate.message(1, 6))
    old = SigningGate(gate.name, gate.key, gate.epoch, gate.bodies[:3])
    after = old.restarted("00000000000000b2").busy(1)
    assert desk.takes(gate, after.message(1, 2)) == [(after.epoch, 2)]
    assert desk.alerts() == {"rolled_back": 1}


def test_a_gate_that_goes_on_behind_its_copys_beginning_is_a_fork(desk: Desk, gate: SigningGate) -> None:
    gate.busy(2)
    desk.takes(gate, gate.message(1, 3))
    copy = gate.restarted("00000000000000b2").busy(1)
    assert desk.takes(gate, copy.message(1, 2)) == [(copy.epoch, 2)]
    assert not desk.alerts()  # so far it is a gate that was started anew
    gate.busy(1)
    assert desk.takes(gate, gate.message(4, 4)) == [(gate.epoch, 4)]
    assert desk.alerts() == {"fork": 1}
    assert desk.keeps()[-1] == (gate.epoch, 4)


def test_a_card_put_back_far_is_led_forward_by_what_it_sends_again(desk: Desk, gate: SigningGate) -> None:
    gate.busy(9)
    desk.takes(gate, gate.message(1, 10))
    old = SigningGate(gate.name, gate.key, gate.epoch, gate.bodies[:6])
    # It knows nothing of an event 10, and its window moves all the same.
    assert desk.takes(gate, old.message(3, 4)) == [(gate.epoch, 4), (gate.epoch, 10)]
    assert desk.takes(gate, old.message(5, 6)) == [(gate.epoch, 6), (gate.epoch, 10)]
    heard = desk.intake.take([(gate.topic, old.message(5, 6))])
    assert [reply.retain for reply in heard] == [False, True]
    assert not desk.alerts()


def test_the_same_lines_after_another_past_are_no_repetition(desk: Desk, gate: SigningGate) -> None:
    gate.busy(9)
    desk.takes(gate, gate.message(1, 10))
    other = SigningGate(gate.name, gate.key, gate.epoch, list(gate.bodies))
    other.bodies[1] = other.bodies[1].replace(b"expired", b"revoked")
    assert desk.takes(gate, other.message(3, 4)) == [(gate.epoch, 10)]
    assert desk.alerts() == {"fork": 1}


def test_a_message_and_its_repetition_may_come_together(desk: Desk, gate: SigningGate) -> None:
    gate.busy(3)
    messages = gate.message(1, 3), gate.message(1, 2), gate.message(2, 4)
    assert desk.takes(gate, *messages) == [(gate.epoch, 2), (gate.epoch, 4)]
    assert not desk.alerts()


# --- an office that forgot -----------------------------------------------------------


def asked(desk: Desk, gate: SigningGate, message: bytes) -> list[tuple[str, int]]:
    heard = desk.hears(desk.intake.take([(gate.topic, message)]), gate)
    return [
        (one.checkpoint.place.epoch, one.checkpoint.place.seq) for one in heard if isinstance(one, Rewind)
    ]


def test_a_restored_office_asks_for_what_it_forgot(desk: Desk, gate: SigningGate) -> None:
    gate.busy(9)
    desk.takes(gate, gate.message(1, 4))  # the backup is of this moment; the gate is at 8
    for desk.mono in (0.0, REWIND_AFTER_S - 0.1):
        assert asked(desk, gate, gate.message(9, 9)) == []
    desk.mono = REWIND_AFTER_S
    assert asked(desk, gate, gate.message(9, 9)) == [(gate.epoch, 4)]
    assert asked(desk, gate, gate.message(9, 10)) == []  # once for a while
    assert desk.takes(gate, gate.message(5, 10)) == [(gate.epoch, 10)]
    assert not desk.alerts()


def test_an_office_that_has_nothing_asks_for_everything(desk: Desk, gate: SigningGate) -> None:
    gate.busy(9)
    asked(desk, gate, gate.message(9, 9))
    desk.mono = REWIND_AFTER_S
    assert asked(desk, gate, gate.message(9, 9)) == [("0" * 16, 0)]


# --- several ingesters ----------------------------------------------------------------


def test_two_ingesters_share_a_gates_messages_in_any_order(desk: Desk, gate: SigningGate) -> None:
    gate.busy(99)
    messages = [gate.message(first, first + 9) for first in range(1, 101, 10)]
    one, other = desk.ingester(hold_s=1.0), desk.ingester(hold_s=1.0)
    other.take([(gate.topic, message) for message in messages[1::2]])
    assert other.is_holding
    assert desk.keeps() == []
    for message in messages[0::2]:
        one.take([(gate.topic, message)])
        other.take([])
    one.take([])
    assert [one.is_holding, other.is_holding] == [False, False]
    assert desk.keeps() == [(gate.epoch, seq) for seq in range(1, 101)]
    assert not desk.alerts()


def test_what_is_held_back_too_long_is_a_gap(desk: Desk, gate: SigningGate) -> None:
    gate.busy(5)
    desk.takes(gate, gate.message(1, 2))
    one = desk.ingester(hold_s=1.0)
    assert one.take([(gate.topic, gate.message(4, 5))]) == []
    desk.mono = 1.0
    heard = [reply.retain for reply in one.take([])]
    assert heard == [True]
    assert not one.is_holding


def test_what_makes_the_ingester_itself_fail_is_an_alert(desk: Desk, gate: SigningGate) -> None:
    class Tray(Subscriber):
        """What a subscriber took from a broker before it went."""

        name, listening = "tray", False

        def __init__(self, *messages: bytes) -> None:
            self.stop = threading.Event()
            self.left = [Last(gate.topic, message, self.stop) for message in messages]

        def take(self, wait_s: float) -> list[Any]:
            taken, self.left = self.left, []
            if not taken:
                self.stop.wait(wait_s)
            return taken

        def publish(self, topic: str, payload: bytes, retain: bool) -> None:
            pass

    def broken(_data: bytes) -> bytes:
        raise ValueError("a key that is no key")

    tray = Tray(gate.message(1, 1))
    work(tray, Intake(SITE, broken), tray.stop)
    assert desk.alerts() == {"not_taken": 1}
    alert = models.Alert.objects.get()
    assert (alert.gate, "a key that is no key" in alert.detail) == (gate.name, True)


def test_a_cloned_card_is_noticed_and_loses_nothing_new(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, gate.message(1, 1))
    one, other = gate.restarted("00000000000000b2").busy(1), gate.restarted("00000000000000c3").busy(2)
    assert desk.takes(gate, one.message(1, 2)) == [(one.epoch, 2)]
    assert desk.takes(gate, other.message(1, 3)) == [(other.epoch, 3)]
    assert desk.alerts() == {"fork": 1}
    assert len(desk.keeps()) == 6


def test_a_journal_begun_anew_is_noticed_and_taken(desk: Desk, gate: SigningGate) -> None:
    desk.takes(gate, gate.message(1, 1))
    new = SigningGate(gate.name, epoch="00000000000000b2").opened()
    desk.knows(new, replace=True)
    assert desk.takes(new, new.message(1, 1)) == [(new.epoch, 1)]
    assert desk.alerts() == {"journal_lost": 1}


def test_an_epoch_that_does_not_open_is_refused(desk: Desk, gate: SigningGate) -> None:
    mute = SigningGate(gate.name, gate.key).busy(1)
    assert desk.takes(gate, mute.message(1, 1)) == []
    crooked = SigningGate(gate.name, gate.key)
    crooked.journal(Kind.JOURNAL_OPENED, prev_epoch="x", prev_seq="y")
    assert desk.takes(gate, crooked.message(1, 1)) == []
    assert desk.alerts() == {"malformed": 2}


def _bomb() -> bytes:
    return zstandard.compress(bytes(64 * 1024 * 1024))


def _unsized() -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(bytes(10_000_000))


@pytest.mark.parametrize(
    "packed",
    [
        _bomb,
        _unsized,
        lambda: b"",
        lambda: b"not zstd at all",
        lambda: zstandard.compress(b"x")[:-1],
        lambda: zstandard.compress(b"x") + b"more",
        lambda: bytes.fromhex("28b52ffd80880a000000") + bytes(20),  # a window of 128 MiB
        lambda: b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd",  # a skippable frame
    ],
)
def test_lines_that_do_not_unfold_are_an_alert(
    desk: Desk, gate: SigningGate, packed: Callable[[], bytes]
) -> None:
    assert desk.takes(gate, gate.message(1, 1, packed())) == []
    assert sum(desk.alerts().values()) == 1


@pytest.mark.parametrize(
    "message", [b"", b"\n", b"{}\n", b"[" * 900 + b"\n", b'{"v":1}\n', bytes(300_000), b"\xff" * 500 + b"\n"]
)
def test_rubbish_is_an_alert(desk: Desk, gate: SigningGate, message: bytes) -> None:
    assert desk.takes(gate, message) == []
    assert desk.alerts() == {"malformed": 1}


def test_an_alert_never_carries_a_terminals_commands(desk: Desk, gate: SigningGate) -> None:
    header = json.loads(gate.message(1, 1).partition(b"\n")[0])
    desk.takes(gate, json.dumps({**header, "from": "\x1b[2J\n\x00\ud800"}).encode() + b"\n")
    desk.takes(gate, json.dumps({**header, "to": "\x1b[2J" * 90}).encode() + b"\n")
    assert models.Alert.objects.get().detail.isprintable()


def test_a_signed_line_that_is_no_event_is_kept_as_it_came(desk: Desk, gate: SigningGate) -> None:
    gate.bodies += [
        b"\xff\x00",
        b'{"type":5}',
        b"[" * 5000,
        b'{"type":"menshen.x","time":"9999-12-31T23:59:59Z"}',
    ]
    assert desk.takes(gate, gate.message(1, 5)) == [(gate.epoch, 5)]
    assert [event.kind for event in models.Event.objects.order_by("seq")][1:] == ["unreadable"] * 3 + ["x"]


# --- what the office has let go of ------------------------------------------------------


@pytest.fixture
def shortened(desk: Desk, gate: SigningGate) -> SigningGate:
    """A gate whose first 120 events of 301 are older than the office keeps them."""
    gate.busy(300)
    desk.takes(gate, gate.message(1, 200), gate.message(201, 301))
    epoch = models.Epoch.objects.get()
    assert letting_go.delete({epoch.pk: 120}) == 120
    return gate


def test_what_was_let_go_of_may_be_sent_again(desk: Desk, shortened: SigningGate) -> None:
    """C10: a gate with an older card is answered as before, and nothing is stored twice."""
    for first, last in ((1, 100), (1, 120), (101, 200), (121, 301), (1, 200)):
        assert ("00000000000000a1", 301) in desk.takes(shortened, shortened.message(first, last))
    assert desk.alerts() == {}
    assert len(desk.keeps()) == 181
    shortened.busy(5)
    assert desk.takes(shortened, shortened.message(302, 306)) == [("00000000000000a1", 306)]


def test_another_history_around_what_was_let_go_of_is_a_fork(desk: Desk, shortened: SigningGate) -> None:
    """C10: what is still kept is still compared, and so is the head of what is not."""
    other = replace(shortened, bodies=[])
    other.opened().busy(119)
    other.bodies += shortened.bodies[120:]
    other.bodies[50] = other.bodies[51]
    desk.takes(other, other.message(101, 200))
    assert desk.alerts() == {"fork": 1}


# --- alarms -----------------------------------------------------------------------------


def test_c19_a_gates_alarm_is_an_alert_in_the_same_moment(desk: Desk, gate: SigningGate) -> None:
    gate.journal(Kind.TAMPER_ON)
    gate.journal(Kind.ALERT, what="two_gates", gate="south", **{"pass": "b6c196b4ac8ea8ec"})
    gate.journal(Kind.DURESS, **{"pass": "b6c196b4ac8ea8ec"})
    gate.journal(Kind.ALERT, what="of a later version")
    gate.journal(Kind.TAMPER_ON)
    desk.takes(gate, gate.message(1, 6))
    assert desk.alerts() == {"tamper.on": 2, "two_gates": 1, "pass.duress": 1, "gate.alert": 1}
    alert = models.Alert.objects.get(kind="two_gates")
    assert (alert.gate, alert.about) == ("north", "b6c196b4ac8ea8ec")
    assert "gate south" in alert.detail
    desk.takes(gate, gate.message(1, 6))
    assert desk.alerts()["tamper.on"] == 2, "sent again, it is no new alarm"


def test_c34_an_alarm_told_on_by_another_gate_is_the_same_matter(desk: Desk, gate: SigningGate) -> None:
    south = SigningGate("south")
    desk.knows(south)
    word = {"what": "door.forced", "epoch": south.epoch, "seq": 2}
    gate.journal(Kind.FELLOW_ALARM, gate="south", **word)
    gate.journal(Kind.FELLOW_ALARM, gate="nowhere", **word)
    gate.journal(Kind.FELLOW_ALARM, gate="south", **{**word, "what": "door.opened"})
    desk.takes(gate, gate.message(1, 4))
    south.opened()
    south.journal(Kind.DOOR_FORCED)
    desk.takes(south, south.message(1, 2))
    (alert,) = models.Alert.objects.all()
    assert (alert.kind, alert.gate, alert.count) == ("door.forced", "south", 2)
