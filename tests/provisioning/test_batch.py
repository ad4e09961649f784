"""Fifty kiosks in a row: all of them, none twice, however often the cable comes out."""

import contextlib
import itertools
import json

import pytest

from provisioning import batch, site_file
from provisioning.bench import BenchFault
from provisioning.cable import Cable, Unplugged
from provisioning.credentials import Credentials
from provisioning.link import LinkLost
from provisioning.site_file import GatePlan, SiteFault

from .workbench import PASSWORD, Room, Told, make_site

GATES = 50
PULLS = 10


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = make_site(tmp_path_factory.mktemp("estate") / "garden")
    for gate in ("north", "south", "east", "west", *(f"gate-{number}" for number in range(GATES))):
        (path.parent / "secrets" / f"{gate}.password").write_text(f"{PASSWORD} of {gate}\n")
    return site_file.read(path)


def rooms_in(folder, count):
    rooms = []
    for number in range(count):
        (folder / str(number)).mkdir(parents=True)
        rooms.append(Room(folder / str(number)))
    return rooms


def test_fifty_kiosks_with_ten_pulled_cables_are_each_enrolled_once(tmp_path, site):
    plans = [GatePlan(f"gate-{number}", "both", "main") for number in range(GATES)]
    rooms = rooms_in(tmp_path / "kiosks", GATES)
    pulled = 0

    def carrying(number):
        """Every fifth kiosk's cable comes out once, each at another point of its enrolment."""
        passed, out = itertools.count(1), False

        def carry(data):
            nonlocal pulled, out
            if number % 5 == 0 and not out and next(passed) == 2 + number // 5:
                out = True
                pulled += 1
                raise Unplugged
            return data

        return carry

    with contextlib.ExitStack() as stack:
        waiting = iter(rooms)
        room = None

        def next_bench(_done):
            nonlocal room
            stack.close()  # the last kiosk is unplugged
            room = next(waiting)
            number = rooms.index(room)
            cable = Cable(room.near, room.far, carrying(number), back_after_s=0.02)
            stack.enter_context(contextlib.closing(cable))
            stack.enter_context(room.serving(room.kiosk()))
            return room.bench

        done = list(batch.run(plans, site, tmp_path / "records", next_bench, Told(), Credentials()))
    assert pulled == PULLS
    assert [record.gate for record in done] == [plan.gate for plan in plans]
    assert len({record.device_id for record in done}) == GATES
    assert all(room.in_force() == room.expected(site, plan) for room, plan in zip(rooms, plans, strict=True))
    assert not list(batch.run(plans, site, tmp_path / "records", no_more, Told(), Credentials()))


def no_more(_done):
    pytest.fail("asked for another kiosk, though every gate has one")


def test_a_batch_that_died_between_a_kiosk_and_its_record_goes_on_with_that_kiosk(tmp_path, site):
    plans = [GatePlan("north", "in", "main"), GatePlan("south", "out", "main")]
    first, second = rooms_in(tmp_path / "kiosks", 2)
    records = tmp_path / "records"
    with contextlib.ExitStack() as stack:
        for room in (first, second):
            stack.enter_context(contextlib.closing(Cable(room.near, room.far)))
            stack.enter_context(room.serving(room.kiosk()))
        benches = iter([first.bench, second.bench, first.bench])
        list(batch.run(plans, site, records, lambda _: next(benches), Told(), Credentials()))
        lost = json.loads((records / "south.json").read_bytes())
        (records / "south.json").unlink()
        # The first is still plugged in, then the second: the one whose record was lost.
        benches = iter([first.bench, second.bench])
        told = Told()
        (again,) = batch.run(plans, site, records, lambda _: next(benches), told, Credentials())
    assert again.device_id == lost["device_id"]
    assert sum("already; plug in the next" in words for words in told.words) == 1


def test_a_kiosk_of_another_site_stops_the_batch_with_a_sentence(tmp_path, site):
    (room,) = rooms_in(tmp_path, 1)
    with contextlib.closing(Cable(room.near, room.far)), room.serving(room.kiosk()):
        list(
            batch.run(
                [GatePlan("east", "in", "main")],
                site,
                tmp_path / "a",
                lambda _: room.bench,
                Told(),
                Credentials(),
            )
        )
        with pytest.raises(BenchFault, match="decommission it first"):
            list(
                batch.run(
                    [GatePlan("west", "in", "main")],
                    site,
                    tmp_path / "b",
                    lambda _: room.bench,
                    Told(),
                    Credentials(),
                )
            )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gate,name\nnorth,North\n", "found the heading"),
        ("gate,name,direction,zone\n", "found no gate"),
        (
            "gate,name,direction,zone\nNorth!,,in,main\n",
            "line 2: gate: found 'North!', wanted 1 to 32 of a-z",
        ),
        (
            "gate,name,direction,zone\na,,up,main\n",
            "line 2: direction: found 'up', wanted 'in', 'out' or 'both'",
        ),
        ("gate,name,direction,zone\na,,in,main\na,,in,main\n", "line 3: gate a is there twice"),
        ("gate,name,direction,zone\na,,in\n", "line 2: zone"),
        ("gate,name,direction,zone\na,,in,main,more\n", "line 2: more"),
        ("gate,name,direction,zone\na,\x1b[2J,in,main\n", "line 2: name"),
    ],
)
def test_a_faulty_list_is_refused_whole_with_the_line_and_the_column(tmp_path, text, sentence):
    path = tmp_path / "site.csv"
    path.write_text(text)
    with pytest.raises(SiteFault, match=sentence) as refused:
        batch.read(path)
    assert str(refused.value).isprintable() or "\n" in str(refused.value)


def test_a_list_from_a_spreadsheet_is_read_with_its_byte_order_mark_and_chinese_names(tmp_path):
    path = tmp_path / "site.csv"
    path.write_text("gate,name,direction,zone\nnorth,北门,in,main\n", encoding="utf-8-sig")
    assert batch.read(path) == [GatePlan("north", "in", "main", "北门")]
    path.write_bytes("gate,name,direction,zone\nnorth,北门,in,main\n".encode("gb18030"))
    with pytest.raises(SiteFault, match="not UTF-8"):
        batch.read(path)


def test_pulled_for_good_is_said(tmp_path, site):
    def gone(_done):
        raise LinkLost("there is no port here")

    with pytest.raises(LinkLost):
        list(batch.run([GatePlan("east", "in", "main")], site, tmp_path / "r", gone, Told(), Credentials()))
