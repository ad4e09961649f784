"""Gates of one site that tell each other: over a local network, over a broker, and over both, with what goes wrong."""

import json
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import pairwise

import pytest
from cryptography.fernet import Fernet, MultiFernet

from agent.brokers.config import BrokerConfig
from agent.brokers.lan import Lan, LanFault, load_keys
from agent.brokers.paho import PahoBroker
from agent.brokers.told import ToldByBroker
from agent.core.events import Event, Kind
from agent.core.feed import MAX_MESSAGE_BYTES
from agent.core.fellows import Ask, unfold
from agent.core.memory import Use, Way
from agent.core.moments import Moment, Trust
from agent.core.notices import FalseWord, Told
from agent.fellows import ANSWER_AGAIN_S, COMPARE_EVERY_S, ONCE_MORE_S, STILL_HERE_S, Fellows
from agent.hearing import Hearing
from agent.ports import Letter
from agent.stores.box import Box, BoxReader
from agent.stores.heard import HeardStore, upto_of
from agent.stores.journal import JournalStore
from agent.stores.journal_reader import JournalReader
from tests import brokers
from tests.core.builders import NOON, ed25519, id_of, public
from tests.small_office import eventually

SITE = "willow-court"
NAMES = ("north", "south", "east")
KEYS = {name: public(ed25519(f"the kiosk at {name}")) for name in NAMES}


class Clock:
    mono = 0.0

    def now(self) -> Moment:
        return Moment(NOON + self.mono, self.mono, Trust.SYNCED)


class Street:
    """A network of gates in one process: carries at once what its weather lets through."""

    def __init__(self):
        self.ends: list[Corner] = []
        self.weather = lambda _sender, _message: True

    def corner(self):
        self.ends.append(Corner(self))
        return self.ends[-1]


class Corner:
    """One gate's end of it. Satisfies Carrier."""

    def __init__(self, street):
        self.street, self.letters = street, []

    def know(self, gates):
        pass

    def send(self, message, to=None):
        if self.street.weather(self, message):
            for end in [to] if to else self.street.ends:
                end.letters.append(Letter(message, self))

    def received(self, wait_s):
        letters, self.letters = self.letters, []
        return letters

    def close(self):
        pass


class Gate:
    """Both processes' part in it, on real files, with the time in the test's hand."""

    def __init__(self, folder, name, *carriers, clock=None, keys=KEYS):
        self.folder, self.name, self.clock, self.keys = folder / name, name, clock or Clock(), keys
        self.carriers = carriers
        (self.folder / "gate").mkdir(parents=True)
        self.path = self.folder / "gate" / "journal.db"
        self.heard_file, self.told_folder = self.folder / "gate" / "heard.db", self.folder / "sync" / "told"
        self.open_journal()
        self.start_sync()
        self.start_ear()

    def open_journal(self):
        self.journal = JournalStore(self.path, SITE, self.name, ed25519(f"the kiosk at {self.name}").sign)
        self.journal.begin_epoch(self.clock.now())

    def start_sync(self):
        self.fellows = Fellows(
            SITE,
            self.name,
            carriers=self.carriers,
            open_journal=partial(JournalReader, self.path),
            open_box=partial(Box, self.told_folder, MAX_MESSAGE_BYTES),
            keys=lambda: self.keys,
            upto=partial(upto_of, self.heard_file),
        )

    def start_ear(self):
        self.store = HeardStore(self.heard_file, write_every_s=0.0)
        self.ear = Hearing(
            SITE,
            self.name,
            reader=BoxReader(self.told_folder, MAX_MESSAGE_BYTES),
            store=self.store,
            keys=lambda: self.keys,
            clock=self.clock,
        )

    def admits(self, name, way=Way.IN, **facts):
        passage = {"pass": id_of(name).hex(), "direction": str(way), "zone": "main", **facts}
        self.journal.append([Event(Kind.ADMITTED, self.clock.now(), passage)])

    def hears(self):
        """Everything there is to hear just now."""
        heard = []
        while {path.name for path in self.ear._reader._files()} - self.ear._reader._seen:
            self.ear._look_at = float("-inf")
            heard += self.ear.news()
        return heard

    def passes(self):
        return [
            (one.gate, one.pass_id)
            for told in self.hears()
            if isinstance(told, Told)
            for one in told.passages
        ]

    def close(self):
        self.journal.close()
        self.store.close()
        for carrier in self.carriers:
            carrier.close()


@contextmanager
def gates(folder, street, *names):
    with ExitStack() as stack:
        clock = Clock()
        made = [Gate(folder, name, street.corner(), clock=clock) for name in names]
        for gate in made:
            stack.callback(gate.close)
        yield clock, *made


def rounds(clock, *gates, until):
    """Let some time pass, a tenth of a second at a time."""
    while clock.mono < until:
        clock.mono += 0.1
        for gate in gates:
            gate.fellows.step(clock.mono)


# --- what happens is told -------------------------------------------------------------


def test_what_happens_at_one_gate_is_heard_at_the_others_within_one_round(tmp_path):
    with gates(tmp_path, Street(), *NAMES) as (clock, north, south, east):
        rounds(clock, north, south, east, until=1.0)
        for gate in (north, south, east):
            gate.hears()
        north.admits("alice", step=7)
        rounds(clock, north, south, east, until=1.2)
        for gate in (south, east):
            (told,) = gate.hears()
            (passage,) = told.passages
            assert (passage.gate, passage.pass_id, passage.use) == (
                "north",
                id_of("alice"),
                Use(0, 7, Way.IN, passage.use.at_utc),
            )
        assert north.hears() == [], "nobody hears themselves"


def test_what_comes_twice_is_told_once(tmp_path):
    with gates(tmp_path, Street(), "north", "south") as (clock, north, south):
        north.admits("alice")
        rounds(clock, north, south, until=ONCE_MORE_S + 0.5)
        north.admits("bob")
        rounds(clock, north, south, until=STILL_HERE_S + 5)
        assert south.passes() == [("north", id_of("alice")), ("north", id_of("bob"))]


def test_what_was_lost_once_comes_once_more_half_a_second_later(tmp_path):
    street = Street()
    with gates(tmp_path, street, "north", "south") as (clock, north, south):
        rounds(clock, north, south, until=1.0)
        south.hears()
        lost = []
        street.weather = lambda _sender, message: lost.append(message) is None and len(lost) > 1
        north.admits("alice")
        rounds(clock, north, south, until=1.0 + ONCE_MORE_S + 0.3)
        assert south.passes() == [("north", id_of("alice"))]
        assert len(lost) >= 2


def test_what_was_lost_altogether_is_asked_for(tmp_path):
    street = Street()
    with gates(tmp_path, street, "north", "south") as (clock, north, south):
        rounds(clock, north, south, until=1.0)
        south.hears()
        street.weather = lambda *_: False
        for n in range(300):
            north.admits(f"person {n}")
        rounds(clock, north, south, until=3.0)
        street.weather = lambda *_: True
        seen = []
        while clock.mono < 3.0 + STILL_HERE_S + 4 * COMPARE_EVERY_S:
            rounds(clock, north, south, until=clock.mono + 1.0)
            seen += south.passes()
            time.sleep(0.002)  # the file of what was heard is written in a thread
        assert set(seen) == {("north", id_of(f"person {n}")) for n in range(300)}
        assert upto_of(south.heard_file)["north"].seq == 301


def test_a_gate_that_was_away_for_a_day_gets_the_day(tmp_path):
    street = Street()
    with gates(tmp_path, street, "north", "south") as (clock, north, south):
        south.store.close()
        for n in range(1000):
            north.admits(f"person {n % 50}", step=n)
        south.start_sync()
        south.start_ear()
        last = {}
        while clock.mono < STILL_HERE_S + 8 * COMPARE_EVERY_S:
            rounds(clock, north, south, until=clock.mono + 1.0)
            for told in south.hears():
                last |= {one.pass_id: max(one.use.step, last.get(one.pass_id, 0)) for one in told.passages}
            time.sleep(0.002)
        assert last == {id_of(f"person {n}"): 950 + n for n in range(50)}


def test_a_gate_whose_list_is_not_loaded_yet_hears_what_is_said_meanwhile(tmp_path):
    with gates(tmp_path, Street(), "north", "south") as (clock, north, south):
        keys, south.keys = south.keys, {}
        rounds(clock, north, south, until=1.0)
        north.admits("alice")
        rounds(clock, north, south, until=2.0)
        assert south.hears() == []
        south.keys = keys
        rounds(clock, north, south, until=2.2)
        assert south.passes() == [("north", id_of("alice"))]


def test_a_gate_that_has_just_come_up_asks_and_does_not_wait_to_be_told(tmp_path):
    street = Street()
    with gates(tmp_path, street, "north", "south") as (clock, north, south):
        north.admits("alice")
        rounds(clock, north, until=3.0)
        street.weather = lambda sender, message: sender is not south.carriers[0] or b'"ask"' in message[:20]
        south.carriers[0].received(0.0)  # what was said before it was up
        rounds(clock, north, south, until=3.3)
        assert south.passes() == [("north", id_of("alice"))]


def test_two_gates_that_ask_at_once_are_both_answered_and_nobody_asks_for_ever(tmp_path):
    street, asks = Street(), []
    with gates(tmp_path, street, *NAMES) as (clock, north, south, east):
        for n in range(250):
            north.admits(f"person {n}")
        street.weather = lambda _sender, message: (
            b'"ask"' not in message[:20] or asks.append(clock.mono) is None
        )
        while clock.mono < 60.0:
            rounds(clock, north, south, east, until=clock.mono + 1.0)
            for gate in (north, south, east):
                gate.hears()
            time.sleep(0.002)
        assert asks
        assert max(asks) < 40.0, "once all is heard there is nothing to ask for"
        assert all(later - sooner < 60 for sooner, later in pairwise(asks))


def test_nobody_is_answered_faster_than_every_few_seconds(tmp_path):
    street = Street()
    with gates(tmp_path, street, "north", "south") as (clock, north, _):
        for n in range(500):
            north.admits(f"person {n}")
        sent = []
        street.weather = lambda sender, _message: sender is not north.carriers[0] or sent.append(1) is None
        stranger = street.corner()
        ask = (
            Ask("south", JournalStore.tip.fget(north.journal).place)
            .to_bytes()
            .replace(b'"seq":501', b'"seq":1')
        )
        for _ in range(100):
            stranger.send(ask)
        rounds(clock, north, until=0.5)
        assert len(sent) < 8
        rounds(clock, north, until=ANSWER_AGAIN_S + 1.0)
        before = len(sent)
        stranger.send(ask)
        rounds(clock, north, until=ANSWER_AGAIN_S + 1.5)
        assert len(sent) > before


# --- over a restart -------------------------------------------------------------------


def test_a_restarted_gate_remembers_what_it_was_told(tmp_path):
    with gates(tmp_path, Street(), "north", "south") as (clock, north, south):
        north.admits("alice", step=7, uses=1)
        rounds(clock, north, south, until=1.0)
        south.hears()
        south.store.close()
        south.start_ear()
        (told,) = south.ear.recalled()
        (passage,) = told.passages
        assert (passage.pass_id, passage.zone, passage.use.step, passage.use.count) == (
            id_of("alice"),
            "main",
            7,
            1,
        )
        assert south.ear.recalled() == ()
        assert south.hears() == [], "what lies in the box has been heard"


def test_a_file_that_is_no_file_costs_the_memory_and_nothing_else(tmp_path):
    with gates(tmp_path, Street(), "north", "south") as (clock, north, south):
        south.store.close()
        for path in south.heard_file.parent.glob("heard.db*"):
            path.unlink()
        south.heard_file.write_bytes(b"not a database, and long enough to be read as one" * 100)
        south.start_ear()
        assert south.ear.recalled() == ()
        north.admits("alice")
        rounds(clock, north, south, until=1.0)
        assert south.passes() == [("north", id_of("alice"))]
        assert upto_of(south.heard_file) == {}


# --- what is not believed -------------------------------------------------------------


def test_c18_a_gate_believes_only_what_a_gate_of_its_list_has_signed(tmp_path):
    with gates(tmp_path, Street(), "north", "south") as (clock, north, south):
        north.admits("alice")
        rounds(clock, north, south, until=0.5)
        (word, *_) = [path.read_bytes() for path in sorted(south.told_folder.iterdir())]
        header, _ = unfold(word)
        box = Box(south.told_folder, MAX_MESSAGE_BYTES)
        south.hears()
        for message in (
            word[:-4] + b"xxxx",
            b"",
            b"{}",
            b"x" * (MAX_MESSAGE_BYTES + 9),
            word.replace(b'"from":2', b'"from":1'),
        ):
            box.put(message)
        assert [type(one) for one in south.hears()] == [FalseWord] * 5
        stranger = Gate(tmp_path / "elsewhere", "west", south.carriers[0].street.corner(), clock=clock)
        with closing(stranger):
            stranger.admits("mallory")
            rounds(clock, stranger, south, until=2.0)
        assert south.hears() == []
        assert header.first.gate == "north"


def test_noise_on_the_way_is_passed_over(tmp_path):
    street = Street()
    with gates(tmp_path, street, "north", "south") as (clock, north, south):
        stranger = street.corner()
        for message in (b"", b"\n", b"{", b'{"v":1,"ask":"after"}', b"x" * 1_000_000, bytes(range(256)) * 40):
            stranger.send(message)
        north.admits("alice")
        rounds(clock, north, south, until=1.0)
        assert south.passes() == [("north", id_of("alice"))]


# --- the ways ---------------------------------------------------------------------------


def two_lans(*keys, port_of=lambda: 0):
    first = Lan(MultiFernet(keys), port_of(), interface=brokers.LOOPBACK)
    second = Lan(MultiFernet(keys), 0, interface=brokers.LOOPBACK, others=[(brokers.LOOPBACK, first.port)])
    first._others = [(brokers.LOOPBACK, second.port)]
    return first, second


def test_over_a_network_and_back_to_the_sender_alone():
    one, other = two_lans(Fernet(Fernet.generate_key()))
    with closing(one), closing(other):
        one.send(b"opened")
        (letter,) = other.received(5.0)
        assert letter.message == b"opened"
        other.send(b"heard", letter.sender)
        (answer,) = one.received(5.0)
        assert answer.message == b"heard"


def test_c29_on_the_network_nobody_without_the_key_reads_or_speaks():
    key = Fernet(Fernet.generate_key())
    one, other = two_lans(key)
    with closing(one), closing(other):
        sealed = []
        one._socket.close()
        one._socket = type(
            "Tap", (), {"sendto": lambda _self, data, _to: sealed.append(data), "close": lambda _self: None}
        )()
        one.send(b'{"pass":"b6c196b4ac8ea8ec"}')
        assert b"b6c196b4" not in sealed[0]
        stranger = Lan(
            MultiFernet([Fernet(Fernet.generate_key())]),
            0,
            interface=brokers.LOOPBACK,
            others=[(brokers.LOOPBACK, other.port)],
        )
        with closing(stranger):
            stranger.send(b"let me in")
        assert list(other.received(0.5)) == []


def test_a_key_is_changed_one_gate_at_a_time():
    old, new = (Fernet(Fernet.generate_key()) for _ in range(2))
    one, other = two_lans(new, old)
    with closing(one), closing(other):
        other._keys = MultiFernet([old, new])
        for sender, receiver in ((one, other), (other, one)):
            sender.send(b"opened")
            (letter,) = receiver.received(5.0)
            assert letter.message == b"opened"


def test_what_is_wrong_with_a_key_or_a_port_is_said(tmp_path):
    path = tmp_path / "fellows.key"
    with pytest.raises(LanFault, match="cannot be read"):
        load_keys(path)
    path.write_text("not a key\n")
    with pytest.raises(LanFault, match=r"may be read by everybody.*chmod 640"):
        load_keys(path)
    path.chmod(0o600)
    with pytest.raises(LanFault, match="no key, or a line that is none"):
        load_keys(path)
    path.write_bytes(Fernet.generate_key() + b"\n")
    one = Lan(load_keys(path), 0, interface=brokers.LOOPBACK)
    with closing(one), pytest.raises(LanFault, match=f"UDP port {one.port}"):
        Lan(load_keys(path), one.port, interface=brokers.LOOPBACK)


MULTICAST = """
import sys, time
from cryptography.fernet import Fernet, MultiFernet
from agent.brokers.lan import Lan
keys = MultiFernet([Fernet(sys.argv[1].encode())])
gates = [Lan(keys, 7683, group="239.255.77.83", interface="127.0.0.1") for _ in range(3)]
gates[0].send(b"opened")
heard = [[letter.message for letter in gate.received(2.0)] for gate in gates]
print(heard)
"""


def test_a_group_is_heard_by_all_its_gates():
    """In a network namespace of its own, whose loopback leads nowhere."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is not installed, so there is no network apart from this machine's")
    script = 'ip link set lo up multicast on && ip route add 239.0.0.0/8 dev lo && exec "$@"'
    ran = subprocess.run(
        [
            "unshare",
            "--net",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
            sys.executable,
            "-c",
            MULTICAST,
            Fernet.generate_key().decode(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if ran.stderr.startswith("unshare:"):
        pytest.skip(f"no network namespace can be made here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == str([[b"opened"]] * 3)


def link(port, name):
    return PahoBroker(
        BrokerConfig(host=brokers.LOOPBACK, port=port, username=name, password_file=None),
        client_id=name,
        status_topic=f"site/{SITE}/gate/{name}/status",
    )


def test_over_a_broker_with_its_rules(tmp_path):
    """Mosquitto, each gate confined to its own topics: it hears the others, and cannot speak for them."""
    users = dict.fromkeys(("north", "south"), "secret")
    with (
        brokers.mosquitto(tmp_path / "broker", users=users, acl=brokers.acl(SITE)) as broker,
        ExitStack() as stack,
    ):
        words = tmp_path / "word"
        words.write_text("secret")
        words.chmod(0o600)
        made = []
        for name in users:
            config = BrokerConfig(host=brokers.LOOPBACK, port=broker.port, username=name, password_file=words)
            paho = PahoBroker(config, client_id=name, status_topic=f"site/{SITE}/gate/{name}/status")
            stack.callback(paho.close)
            made.append(Gate(tmp_path, name, ToldByBroker(paho, SITE, name)))
        north, south = made
        stop = threading.Event()
        for gate in made:
            thread = threading.Thread(target=gate.fellows.serve, args=(stop,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(gate.close)
        stack.callback(stop.set)
        heard = []
        north.admits("alice")
        eventually(lambda: heard.extend(south.passes()) or ("north", id_of("alice")) in heard)
        broker.kill()
        north.admits("bob")
        broker.start()
        north.admits("carol")
        wanted = {("north", id_of(name)) for name in ("alice", "bob", "carol")}
        eventually(lambda: heard.extend(south.passes()) or wanted <= set(heard), within_s=60.0)
        forged = json.dumps({"not": "a word"}).encode()
        north.carriers[0]._broker.tell(f"site/{SITE}/gate/south/told", [forged])
        time.sleep(0.5)
        assert [one for one in south.hears() if isinstance(one, FalseWord)] == []
