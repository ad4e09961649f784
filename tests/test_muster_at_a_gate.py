"""menshen-agent inside: who is inside as a gate knows it, when nobody can ask the office (C24)."""

import subprocess
import sys
import time
from contextlib import closing

import pytest

from agent.core.events import Event, Kind, Place
from agent.core.memory import Use, Way
from agent.core.moments import Moment, Trust
from agent.core.muster import Muster, newest
from agent.core.notices import Passage, Told
from agent.stores.heard import HeardStore, passages_of
from agent.stores.journal import JournalStore
from tests.core.builders import id_of, public
from tests.house import SITE, House

NOW = int(time.time())


def passed(name: str, ago_s: int, way: str = "in") -> Event:
    facts = {"pass": id_of(name).hex(), "kind": "resident", "direction": way}
    return Event(Kind.ADMITTED, Moment(NOW - ago_s, 1.0, Trust.SYNCED), facts)


@pytest.fixture
def gate(tmp_path):
    """North, which has seen three, and heard of three from its fellow at the garage."""
    gate = House(tmp_path).enrol("north")
    gate.config.journal_file.parent.mkdir()
    with closing(JournalStore(gate.config.journal_file, SITE, "north", gate.key.sign)) as journal:
        journal.begin_epoch(Moment(NOW - 900_000, 1.0, Trust.SYNCED))
        journal.append([passed("long-ago", 800_000)])
        journal.append([passed("ana", 500), passed("bo", 400), passed("bo", 300, "out"), passed("chi", 200)])
    store = HeardStore(gate.config.heard_file, write_every_s=0.0)
    store.recall()
    elsewhere = [("ana", 100, Way.OUT), ("dai", 90, Way.IN)]
    told = tuple(
        Passage("garage", id_of(name), "garage", Use(1, None, way, NOW - ago), sure=True)
        for name, ago, way in elsewhere
    )
    here = Place(SITE, "garage", "a" * 16, 3)
    store.keep(Told(None, here, told, ()), here)
    give_up = time.monotonic() + 20
    while not passages_of(gate.config.heard_file):
        assert time.monotonic() < give_up
        time.sleep(0.01)
    store.close()
    return gate


def run(gate, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "inside", "--config", str(gate.toml), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_prints_who_is_inside_and_whose_word_it_is(gate):
    """C24: out by the fellow's gate is out; nobody's name is known here."""
    done = run(gate)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t")[:3] for line in done.stdout.splitlines()]
    assert rows == [[id_of("dai").hex(), "garage", "garage"], [id_of("chi").hex(), "main", "north"]]
    assert done.stderr == "2 inside, by what gate north knows; its clock is synced\n"
    assert id_of("long-ago").hex() in run(gate, "--hours", "300").stdout


def test_the_account_is_signed_by_the_gate(gate, tmp_path):
    """C18, C24: with the ways out, so that several can be laid together."""
    file = tmp_path / "north.muster"
    done = run(gate, "--out", str(file))
    assert f"{file} is for `menshen-office muster`" in done.stderr
    said = Muster.from_bytes(file.read_bytes())
    assert said.holds(public(gate.key))
    assert (said.site, said.gate, said.clock) == (SITE, "north", Trust.SYNCED)
    last = newest(said.seen)
    assert {name: str(last[id_of(name).hex()].way) for name in ("ana", "bo", "chi", "dai")} == {
        "ana": "out",
        "bo": "out",
        "chi": "in",
        "dai": "in",
    }
    piped = Muster.from_bytes(run(gate, "--out", "-").stdout.encode())
    assert piped.holds(public(gate.key))
    assert piped.seen == said.seen


def test_a_gate_that_has_never_run_says_so(tmp_path):
    done = run(House(tmp_path).enrol("north"))
    assert done.returncode == 3
    assert "has this gate run" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_key_nothing_is_signed(gate, tmp_path):
    gate.config.journal_key.chmod(0o644)
    done = run(gate, "--out", str(tmp_path / "north.muster"))
    assert done.returncode == 3
    assert "chmod 600" in done.stderr
    assert not (tmp_path / "north.muster").exists()
