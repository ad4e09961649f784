"""What the desk is brought and can't use: each fault with its row and its field, and nothing half-written."""

import csv
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connections

from agent.core.passes import HolderCertificate, parse
from office.home import prepare

prepare()

from office.models import Act, Pass, Person  # noqa: E402
from tests.test_office import Desk  # noqa: E402

COLUMNS = ("name", "kind", "zones", "from", "until", "uses", "holder_key", "pass_id")
TODAY = datetime.now(UTC).date()
YEAR = {"from": str(TODAY), "until": str(TODAY + timedelta(days=365))}
LEAP = {"from": "2026-01-01T00:00", "until": "2027-01-02T00:00"}  # 366 days to the minute


def holder_key() -> str:
    return "ed25519:" + Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()


def person(name: str, **fields: str) -> dict[str, str]:
    return {"name": name, "kind": "resident", "zones": "main", **YEAR, **fields}


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("office") / "home")
    desk.done("site", "harbour", "--zones", "main,garage")
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened) -> Desk:
    opened.done("passes")  # points Django at this home
    Pass.objects.all().delete()
    return opened


@pytest.fixture
def brought(desk, tmp_path):
    """Rows brought to the desk as a sheet: what the command said."""

    def bring(*rows: dict[str, str], refused: bool = True) -> str:
        sheet = tmp_path / "people.csv"
        with closing(sheet.open("w", newline="", encoding="utf-8")) as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        words = ("import", str(sheet), "--by", "chen")
        return desk.refused(*words) if refused else desk.done(*words)

    return bring


def test_people_are_drafted_and_a_phone_gets_its_certificate_at_approval(desk, brought):
    made = brought(
        person("Li Wei", holder_key=holder_key()),
        person("Zhao Min", kind="visitor", uses="2", pass_id="1F6C0A9B2D3E4F50"),
        person("Wang Fang", **LEAP),
        refused=False,
    ).split()
    assert made[1] == "1f6c0a9b2d3e4f50"
    assert isinstance(parse(desk.done("approve", made[0], "--by", "wang")), HolderCertificate)


ZERO, ONE = "00" * 32, "01" + "00" * 31  # y = 0 has order 4, y = 1 is the neutral point
ORDER_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
BAD = {
    "unknown zone": ({"zones": "main,harem"}, "zone: found zone 'harem', wanted some of main, garage"),
    "over a year, C04": (
        {"until": str(TODAY + timedelta(days=367))},
        "until: found a validity of 368.0 days",
    ),
    "end before beginning": ({"until": "2020-01-01"}, "until: found an end that is not after"),
    "no time": ({"from": "tomorrow"}, "from: found time 'tomorrow'"),
    "too early": ({"from": "2020-01-01", "until": "2020-02-01"}, "from: no such pass can be made"),
    "key of order 4": (
        {"holder_key": f"ed25519:{ZERO}"},
        "holder key: holder key refused: it is a point of small",
    ),
    "neutral key": (
        {"holder_key": f"ed25519:{ONE}"},
        "holder key: holder key refused: it is a point of small",
    ),
    "key of order 8": (
        {"holder_key": f"ed25519:{ORDER_8}"},
        "holder key: holder key refused: it is a point of sm",
    ),
    "p256 off its curve": ({"holder_key": "p256:" + "ff" * 32}, "holder key: not a usable holder key"),
    "no key": ({"holder_key": "rsa:00"}, "holder key: not a usable holder key"),
    "kind": ({"kind": "ghost"}, "kind: found 'ghost'"),
    "uses": ({"uses": "16"}, "uses: found 16 uses"),
    "uses in words": ({"uses": "two"}, "uses: found 'two'"),
    "pass id": ({"pass_id": "42"}, "pass id: found '42', wanted 16 hex digits"),
    "same person": ({"name": " Li  Wei "}, "person: this person has resident pass"),
    "same id": (
        {"pass_id": "1f6c0a9b2d3e4f50"},
        "pass id: found 1f6c0a9b2d3e4f50, which is another pass already",
    ),
}


def _deeds() -> int:
    """Acts, without those that say that a command was given."""
    return Act.objects.exclude(what="command").count()


@pytest.mark.parametrize("fault", BAD)
def test_a_faulty_row_is_named_with_its_field_and_nothing_is_written(brought, fault):
    acts, people = _deeds(), Person.objects.count()
    fields, said = BAD[fault]
    answer = brought(
        person("Li Wei", pass_id="1f6c0a9b2d3e4f50"),
        person("Wang Fang"),
        {**person("Zhao Min"), **fields},
    )
    assert "nothing was drafted, since 1 rows can't be taken" in answer
    assert f"row 4: {said}" in answer
    assert not Pass.objects.exists()
    assert (_deeds(), Person.objects.count()) == (acts, people)


def test_every_faulty_row_is_named_at_once(brought):
    answer = brought(person("A", zones="x"), person("B"), person("C", kind="x"), person("D", uses="99"))
    assert [f"row {row}:" in answer for row in (2, 3, 4, 5)] == [True, False, True, True]


def test_a_sheet_that_is_not_there_is_a_sentence(desk, tmp_path):
    said = desk.refused("import", str(tmp_path / "none.csv"), "--by", "chen")
    assert "can't be read" in said


def test_a_device_key_of_small_order_is_refused_at_enrolment(desk, tmp_path):
    record = tmp_path / "north.json"
    record.write_text(
        '{"site": "harbour", "gate": "north", "device_id": "rpi-1", "zone": "main", "direction": "in", '
        f'"journal_key": "ed25519:{ORDER_8}"}}'
    )
    assert "small order" in desk.refused("gate", "add", str(record))
