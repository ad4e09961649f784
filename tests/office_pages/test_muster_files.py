"""Who is inside, when the office has not heard its gates: their own accounts, laid over what it knows (C24)."""

import sys
import time

import pytest
from click.testing import CliRunner
from django.core.files.uploadedfile import SimpleUploadedFile

from agent.core.memory import Way
from agent.core.moments import Trust
from agent.core.muster import Muster, Seen
from office.cli import main
from office.models import Gate
from office.web import follower
from tests.core.builders import ed25519, public
from tests.office_pages.desk import SITE, Desk

NOW = 0


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    """Ten minutes after a test begins, however long the tests before it took."""
    monkeypatch.setattr(sys.modules[__name__], "NOW", int(time.time()) + 600)


def account(gate: Gate, *seen: Seen, clock: Trust = Trust.SYNCED, site: str = SITE, key: str = "") -> bytes:
    bare = Muster(site, gate.name, NOW, clock, seen)
    return bare.signed(ed25519(key or gate.name).sign(bare.signed_by_gate())).to_bytes()


def seen(held, gate: Gate, way: Way, in_s: int) -> Seen:
    """A passage, so many seconds from ten minutes after now."""
    pass_id = held if isinstance(held, str) else held.pass_id
    return Seen(pass_id, gate.name, gate.zone, way, NOW + in_s)


@pytest.fixture
def gates(desk: Desk) -> tuple[Gate, Gate]:
    made = desk.gate("north"), desk.gate("garage")
    for gate in made:
        gate.journal_key = str(public(ed25519(gate.name)))
        gate.save()
    return made


def laid_together(desk: Desk, *files: bytes, who: str = "chen") -> str:
    given = [SimpleUploadedFile(f"{number}.muster", data) for number, data in enumerate(files)]
    return desk.browser(who).post("/inside", {"accounts": given}).content.decode()


def test_the_gates_word_is_laid_over_what_the_office_has(desk: Desk, gates) -> None:
    """C24: who came since is on it, who left since is not, and what was heard already changes nothing."""
    north, garage = gates
    stays, left, came, old = (desk.holder(name) for name in ("李伟", "Bo", "Chi", "Dai"))
    for one in (stays, left):
        desk.event(north, pass_id=one.pass_id)
    desk.event(north, pass_id=old.pass_id, way="out")
    follower.catch_up()
    told = account(
        north,
        seen(left, garage, Way.OUT, 60),
        seen(came, north, Way.IN, 50),
        seen(old, north, Way.IN, -5000),  # before what the office has of north: weighed already
        seen("ab" * 8, garage, Way.IN, 55),
        clock=Trust.UNKNOWN,
    )
    page = laid_together(desk, told)
    for name in ("李伟", "Chi", "ab" * 8, "The clock of gate north was unsure."):
        assert name in page, name
    for name in (">Bo<", ">Dai<"):
        assert name not in page, name
    assert page.count("†") == 3, "two rows, and the word for it"
    hidden = laid_together(desk, told, who="zhao")
    assert "李伟" not in hidden
    assert came.pass_id in hidden


def test_of_several_accounts_the_newest_passage_counts(desk: Desk, gates) -> None:
    """C24: in any order; the office's own later passage counts, too."""
    north, garage = gates
    one, other, back = (desk.holder(name) for name in ("Ana", "Bo", "Chi"))
    files = [
        account(north, seen(one, north, Way.IN, 10), seen(other, north, Way.IN, 10)),
        account(garage, seen(one, garage, Way.OUT, 20), seen(back, garage, Way.IN, -3000)),
    ]
    desk.event(north, pass_id=back.pass_id, way="out")
    follower.catch_up()
    for order in (files, files[::-1]):
        page = laid_together(desk, *order)
        assert "Bo" in page
        assert ">Ana<" not in page
        assert ">Chi<" not in page


def test_what_is_not_signed_by_a_gate_on_record_is_refused(desk: Desk, gates) -> None:
    """C18: nobody is put on the list, or taken off it, by a file that somebody made."""
    north, garage = gates
    held = desk.holder("Ana")
    desk.event(north, pass_id=held.pass_id)
    follower.catch_up()
    out = seen(held, north, Way.OUT, 60)
    good = account(north, out)
    for bad, why in (
        (account(north, out, key="garage"), "is not signed by gate north"),
        (good.replace(str(NOW + 60).encode(), str(NOW + 61).encode()), "is not signed by gate north"),
        (account(north, out, site="other"), "is of site other"),
        (b"PK\x03\x04", "is no account of a gate"),
        (b"", "Who is inside"),
    ):
        page = laid_together(desk, bad)
        assert why in page
        assert "Ana" in page
    assert "Ana" not in laid_together(desk, good)
    assert garage.name


def test_the_command_lists_the_same_with_names(desk: Desk, gates, tmp_path) -> None:
    """C24: for whoever has a terminal and a stick."""
    north, _garage = gates
    held = desk.holder("李伟")
    file = tmp_path / "north.muster"
    file.write_bytes(account(north, seen(held, north, Way.IN, 5), clock=Trust.UNKNOWN))
    done = CliRunner().invoke(main, ["muster", str(file), "--home", str(desk.home)])
    assert done.exit_code == 0, done.output
    (row,) = done.stdout.splitlines()
    assert row.split("\t")[:6] == ["main", "李伟", "-", held.pass_id, "resident", "north*"]
    assert "the clock of gate north was unsure" in done.stderr
    assert "1 inside; after" in done.stderr
    file.write_bytes(b"x")
    done = CliRunner().invoke(main, ["muster", str(file), "--home", str(desk.home)])
    assert done.exit_code == 1
    assert "no account of a gate" in done.stderr
    done = CliRunner().invoke(main, ["muster", str(tmp_path / "none"), "--home", str(desk.home)])
    assert "can't be read" in done.stderr
