"""The desk's rules for kinds of passes, from the command to the gate's decision."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connections
from django.utils import timezone

from agent.core.allowlist import Allowlist, Head, PassKind
from agent.core.decision import Admit, Reason
from agent.core.judge import Post, judge, vouch
from agent.core.keys import Alg, PublicKey
from agent.core.memory import UNUSED, Use, Way
from agent.core.moments import Moment
from agent.core.passback import Mode, Passback
from agent.core.passes import HolderCertificate, compose, parse, rotating_body, step_at, to_be_signed
from agent.core.schedule import ALWAYS, Window, day_number
from office.home import prepare

prepare()

from office import publishing, registry  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.models import Act, Pass, Schedule  # noqa: E402
from tests.test_office import Desk  # noqa: E402

PHONE = Ed25519PrivateKey.generate()
PHONE_KEY = PublicKey(Alg.ED25519, PHONE.public_key().public_bytes_raw())
NORTH = Post("harbour", "north", "main")
TODAY = datetime.now(UTC)
YEAR = {
    "from": (TODAY - timedelta(days=9)).date().isoformat(),
    "until": (TODAY + timedelta(days=300)).date().isoformat(),
}


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("office") / "home")
    desk.done("site", "harbour", "--zones", "main,garage", "--utc-offset", "+00:00")
    yield desk
    connections.close_all()


@pytest.fixture
def desk(opened) -> Desk:
    """The office as on its first morning."""
    opened.done("passes")  # points Django at this home
    Pass.objects.all().delete()
    Schedule.objects.all().delete()
    site = registry.the_site()
    site.kind_schedules, site.holidays, site.passback, site.unlisted_holders = {}, [], {}, True
    site.admit_when_dead, site.admit_when_clock_unknown, site.unlisted_static = [], [], False
    site.save()
    return opened


def published(desk) -> Allowlist:
    """The list as a gate would have it."""
    kept: list[Allowlist] = []
    issuer = Keyring.load(desk.home / "keys").issuer

    def deliver(head, parts):
        again = Head.from_bytes(head.to_bytes())
        assert again == head
        kept.append(Allowlist(again, TODAY.timestamp() + 86400, parts.get))

    publishing.publish(registry.the_site(), timezone.now(), 0, {issuer.key_id: issuer.public}, (), deliver)
    return kept[0]


def approved(desk, **options) -> tuple[bytes, str]:
    """A pass, drafted by one and approved by another: its id, and what was printed."""
    pass_id = desk.done(*desk.issue(**{**YEAR, **options}))
    return bytes.fromhex(pass_id), desk.done("approve", pass_id, "--by", "wang")


def code_of(pass_id: bytes, utc: float) -> str:
    body = rotating_body(Alg.ED25519, pass_id, step_at(utc))
    return compose(body, PHONE.sign(to_be_signed(Alg.ED25519, "harbour", body)))


# --- certificates -----------------------------------------------------------------------


def test_who_moves_in_today_gets_a_certificate_that_a_gate_with_yesterdays_list_believes(desk):
    yesterdays = published(desk)
    pass_id, text = approved(desk, holder_key=str(PHONE_KEY))
    certificate = parse(text)
    assert isinstance(certificate, HolderCertificate)
    assert (certificate.kind, certificate.holder, certificate.pass_id) == ("resident", PHONE_KEY, pass_id)
    assert desk.done("code", pass_id.hex()) == text
    now = Moment(TODAY.timestamp(), 0.0)
    assert vouch(certificate, yesterdays, NORTH) is None
    seen = parse(code_of(pass_id, now.utc))
    assert judge(seen, yesterdays, NORTH, UNUSED, now).reason is Reason.UNKNOWN_PASS
    decision = judge(seen, yesterdays, NORTH, UNUSED, now, certificate)
    assert isinstance(decision, Admit)
    assert decision.note == "by_certificate"
    assert isinstance(judge(seen, published(desk), NORTH, UNUSED, now), Admit)


def test_a_p256_phone_gets_one_too(desk):
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    holder = PublicKey(Alg.P256, point[1:], point[0] == 3)
    _, text = approved(desk, kind="staff", holder_key=str(holder))
    assert (parse(text).holder, parse(text).kind) == (holder, PassKind.STAFF)


def test_a_pass_with_a_limit_of_uses_or_hours_of_its_own_waits_for_the_list(desk):
    pass_id, text = approved(desk, holder_key=str(PHONE_KEY), uses="2")
    assert text == ""
    assert "no code to print" in desk.refused("code", pass_id.hex())
    desk.done("schedule", "set", "nights", "all 22:00-06:00", "--by", "chen")
    draft = desk.done(*desk.issue(person="Guard", kind="staff", holder_key=str(PHONE_KEY), **YEAR))
    desk.done("schedule", "give", "nights", "--pass", draft, "--by", "chen")
    assert desk.done("approve", draft, "--by", "wang") == ""


def test_a_site_may_ask_its_gates_to_wait_for_the_list(desk):
    for what, answer in (("phones", "no"), ("cards", "yes")):
        desk.done("unlisted", what, answer, "--by", "chen")
    head = published(desk).head
    assert (head.unlisted_holders, head.unlisted_static) == (False, True)


# --- doubt ----------------------------------------------------------------------------------


def test_the_site_says_who_comes_in_while_clock_or_list_are_in_doubt(desk):
    desk.done("trusted", "clock-unknown", "staff", "resident", "staff", "--by", "chen")
    desk.done("trusted", "list-dead", "resident", "--by", "chen")
    head = published(desk).head
    assert head.admit_when_clock_unknown == {PassKind.RESIDENT, PassKind.STAFF}
    assert head.admit_when_dead == {PassKind.RESIDENT}
    desk.done("trusted", "list-dead", "--by", "chen")
    assert published(desk).head.admit_when_dead == frozenset()


# --- schedules (C08) ---------------------------------------------------------------------


def test_each_kind_has_its_hours_c08(desk):
    desk.done("schedule", "set", "cleaning", "mon-fri 06:00-09:00", "Sat,Holiday 10:00-24:00", "--by", "chen")
    desk.done("schedule", "set", "nights", "all 22:00-06:00", "--by", "chen")
    desk.done("schedule", "give", "cleaning", "--kind", "contractor", "--by", "chen")
    desk.done("schedule", "give", "nights", "--kind", "staff", "--by", "chen")
    desk.done("schedule", "holidays", "2026-10-02", "2026-10-01", "2026-10-01", "--by", "chen")
    head = published(desk).head
    assert head.schedules == {
        1: (Window(frozenset({1, 2, 3, 4, 5}), 360, 540), Window(frozenset({6, 8}), 600, 1440)),
        2: (Window(frozenset(range(1, 9)), 1320, 360),),
    }
    assert head.kind_schedules == {PassKind.CONTRACTOR: 1, PassKind.STAFF: 2}
    assert head.holidays == {day_number("2026-10-01"), day_number("2026-10-02")}
    assert desk.done("schedule", "list").splitlines() == [
        "cleaning\tmon,tue,wed,thu,fri 06:00-09:00; sat,holiday 10:00-24:00\tcontractor",
        "nights\tmon,tue,wed,thu,fri,sat,sun,holiday 22:00-06:00\tstaff",
        "holiday\t2026-10-01",
        "holiday\t2026-10-02",
    ]
    desk.done("schedule", "give", "always", "--kind", "staff", "--by", "chen")
    assert published(desk).head.kind_schedules == {PassKind.CONTRACTOR: 1}


def test_a_pass_may_have_hours_of_its_own(desk):
    desk.done("schedule", "set", "cleaning", "mon-fri 06:00-09:00", "--by", "chen")
    pass_id, _ = approved(desk)
    for name, number in (("cleaning", 1), ("always", ALWAYS), ("as-kind", 0)):
        desk.done("schedule", "give", name, "--pass", pass_id.hex(), "--by", "chen")
        assert published(desk).find(pass_id).schedule == number


def test_a_name_given_other_hours_keeps_its_number_and_the_history_says_who(desk):
    for hours in ("mon 06:00-09:00", "tue 07:00-08:00"):
        desk.done("schedule", "set", "cleaning", hours, "--by", "chen")
    assert published(desk).head.schedules == {1: (Window(frozenset({2}), 420, 480),)}
    newest = Act.objects.order_by("-pk")[0]
    assert (newest.who, newest.what, newest.subject, newest.why) == (
        "chen",
        "schedule.set",
        "cleaning",
        "tue 07:00-08:00",
    )


@pytest.mark.parametrize(
    "window",
    [
        "",
        "mon",
        "mon 9-18",
        "mon 09:00-09:00",
        "mon 24:00-06:00",
        "mon 06:00-24:01",
        "mon 06:60-07:00",
        "fri-mon 06:00-07:00",
        "mond 06:00-07:00",
        "mon, 06:00-07:00",
        "mon 06:00-07:00; tue 06:00-07:00",
    ],
)
def test_hours_that_are_none_are_refused_with_an_example(desk, window):
    said = desk.refused("schedule", "set", "cleaning", "mon 06:00-07:00", window, "--by", "chen")
    assert f"found window {window!r}" in said
    assert "mon-fri 08:00-18:00" in said
    assert not Schedule.objects.exists()


def test_what_is_wrong_with_a_rule_is_said(desk):
    for words, said in (
        (("schedule", "set", "Night shift", "mon 06:00-07:00"), "found schedule name 'Night shift'"),
        (("schedule", "set", "always", "mon 06:00-07:00"), "neither as-kind nor always"),
        (("schedule", "set", "much", *["mon 06:00-07:00"] * 65), "found 65 windows, wanted 1 to 64"),
        (
            ("schedule", "give", "nights", "--kind", "staff"),
            "found schedule 'nights', wanted one of as-kind, always",
        ),
        (("schedule", "give", "always"), "either --kind or --pass"),
        (("schedule", "give", "always", "--pass", "0" * 16), "found no pass"),
        (("schedule", "holidays", "1 October"), "found holiday '1 October'"),
        (("schedule", "holidays", *["2026-10-01"] * 401), "found 401 holidays"),
        (("passback", "resident", "timed"), "found 0 minutes for passback timed, wanted 1 to 10080"),
        (("passback", "resident", "hard", "--minutes", "5"), "found 5 minutes for passback hard, wanted 0"),
    ):
        assert said in desk.refused(*words, "--by", "chen"), words
    assert published(desk).head.schedules == {}


def test_there_are_254_schedules_and_no_more(desk):
    site = registry.the_site()
    Schedule.objects.bulk_create(
        Schedule(site=site, number=n, name=f"s{n}", windows=[[[1], 0, 60]]) for n in range(1, 255)
    )
    assert "found 254 schedules" in desk.refused("schedule", "set", "more", "mon 06:00-07:00", "--by", "chen")
    desk.done("schedule", "set", "s9", "tue 06:00-07:00", "--by", "chen")
    assert len(published(desk).head.schedules) == 254


# --- anti-passback ------------------------------------------------------------------------


def test_passback_is_set_for_a_kind_and_the_gate_keeps_to_it(desk):
    desk.done("passback", "resident", "timed", "--minutes", "5", "--by", "chen")
    desk.done("passback", "staff", "soft", "--by", "chen")
    pass_id, _ = approved(desk, holder_key=str(PHONE_KEY))
    allowlist = published(desk)
    assert allowlist.head.passback == {
        PassKind.RESIDENT: Passback(Mode.TIMED, 5),
        PassKind.STAFF: Passback(Mode.SOFT),
    }
    now = Moment(TODAY.timestamp(), 0.0)
    seen = parse(code_of(pass_id, now.utc))
    just_in = Use(1, None, Way.IN, now.utc - 60)
    assert judge(seen, allowlist, NORTH, just_in, now).reason is Reason.PASSED_BACK
    desk.done("passback", "resident", "off", "--by", "chen")
    assert isinstance(judge(seen, published(desk), NORTH, just_in, now), Admit)


# --- gates and duress -------------------------------------------------------------------


def test_the_list_names_the_sites_gates_so_that_each_believes_the_others(desk, tmp_path):
    key = PublicKey(Alg.ED25519, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    record = {"site": "harbour", "gate": "north", "device_id": "1", "journal_key": str(key)}
    (tmp_path / "north.json").write_text(json.dumps(record))
    desk.done("gate", "add", str(tmp_path / "north.json"))
    assert published(desk).head.gates == {"north": key}


def test_a_pass_for_duress_opens_as_ever_and_stands_beside_the_other(desk):
    plain, _ = approved(desk, holder_key=str(PHONE_KEY))
    pass_id, text = approved(desk, holder_key=str(PHONE_KEY), duress=True)
    assert pass_id != plain
    assert text == "", "a gate knows of the threat from its list alone, so nothing vouches for it before"
    assert "one live pass" in desk.refused(*desk.issue(holder_key=str(PHONE_KEY), duress=True, **YEAR))
    now = Moment(TODAY.timestamp(), 0.0)
    for one, threatened in ((plain, False), (pass_id, True)):
        decision = judge(parse(code_of(one, now.utc)), published(desk), NORTH, UNUSED, now)
        assert isinstance(decision, Admit)
        assert decision.duress is threatened


def test_the_key_that_gates_share_is_written_once_and_for_its_owner_alone(desk, tmp_path):
    path = tmp_path / "fellows.key"
    desk.done("fellows-key", str(path), "--by", "chen")
    assert path.stat().st_mode & 0o777 == 0o600
    Fernet(path.read_bytes().strip())
    assert "can't be written" in desk.refused("fellows-key", str(path), "--by", "chen")
