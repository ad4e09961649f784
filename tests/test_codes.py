"""Codes are composed when they are wanted, and lie nowhere (C10, C12)."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from office.home import prepare, use

prepare()

from agent.core.passes import HolderCertificate, StaticPass, parse  # noqa: E402
from office import home as homes  # noqa: E402
from office import registry  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.issuing import Codes  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.models import Pass  # noqa: E402
from office.retention import people  # noqa: E402
from tests.office_pages.desk import SITE, Desk  # noqa: E402

PHONE = "ed25519:" + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""RFC 8032, 7.1, test 1."""


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path / "home")
    place = use(desk.home, create=True)
    Keyring.make(place.keys)
    registry.make_site(SITE, ["main", "garage"], 480)
    yield desk
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connections.close_all()


def columns() -> set[str]:
    with connection.cursor() as cursor:
        return {one.name for one in connection.introspection.get_table_description(cursor, "office_pass")}


def test_a_pass_has_the_same_code_each_time_and_the_issuer_signed_it(desk):
    """C12: a worn card is printed again as it was."""
    one = desk.holder("Li Wei")
    text = Codes.here().of(one)
    found = parse(text)
    assert isinstance(found, StaticPass)
    assert found.holds(Keyring.load(desk.home / "keys").issuer.public, SITE)
    assert {Codes.here().of(Pass.objects.get(pk=one.pk)) for _ in range(20)} == {text}
    Pass.objects.filter(pk=one.pk).update(not_after=one.not_after + timedelta(days=1))
    assert Codes.here().of(Pass.objects.get(pk=one.pk)) != text, "other terms are another code"


def test_only_a_pass_that_stands_has_one(desk):
    draft, live = desk.holder("Li", live=False), desk.holder("Wang")
    codes = Codes.here()
    assert codes.of(draft) == ""
    for what, has_one in (("suspend", False), ("resume", True), ("revoke", False)):
        assert bool(codes.of(registry.move(what, live.pass_id, by="chen"))) is has_one
    on_phone = desk.holder("Zhao", on_phone=True)
    assert codes.of(on_phone) == "", "it waits for its phone"
    Pass.objects.filter(pk=on_phone.pk).update(holder_key=PHONE)
    certificate = parse(codes.of(Pass.objects.get(pk=on_phone.pk)))
    assert isinstance(certificate, HolderCertificate)
    assert str(certificate.holder) == PHONE


def test_nobody_prints_a_card_of_who_was_deleted(desk):
    """C10."""
    one = desk.holder("Li Wei")
    Pass.objects.filter(pk=one.pk).update(not_after=timezone.now() - timedelta(days=1))
    registry.move("revoke", one.pass_id, by="chen", why="moved out")
    people.forget(use(desk.home), one.person, by="wang", why="asked for it")
    Pass.objects.filter(pk=one.pk).update(state="live")
    assert Codes.here().of(Pass.objects.get(pk=one.pk)) == ""


def test_no_code_is_in_the_database(desk):
    """C10: whoever reads it, or a copy of it, prints nothing."""
    text = Codes.here().of(desk.holder("Li Wei"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT p::text FROM office_pass p")
            stored = "".join(row for (row,) in cursor.fetchall()).encode()
    else:
        connections.close_all()
        stored = b"".join(path.read_bytes() for path in desk.home.iterdir() if path.is_file())
        assert b"office_pass" in stored
    assert text.encode() not in stored
    assert text[40:80].encode() not in stored


def test_what_an_older_version_stored_goes_and_comes_back(desk):
    """C10: forwards nothing is left, also in no free page; backwards the older version prints what it printed."""
    passes = [desk.holder(f"Person {n}") for n in range(30)]
    stopped = desk.holder("Stopped")
    registry.move("suspend", stopped.pass_id, by="chen")
    before = {one.pass_id: Codes.here().of(one) for one in passes}
    call_command("migrate", "office", "0014", verbosity=0)
    assert "code" in columns()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pass_id, code FROM office_pass")
        assert dict(cursor.fetchall()) == {**before, stopped.pass_id: ""}
    connections.close_all()
    use(desk.home)  # as the newer version's first start
    assert "code" not in columns()
    assert {one.pass_id: Codes.here().of(one) for one in Pass.objects.filter(state="live")} == before
    if connection.vendor == "sqlite":
        connections.close_all()
        stored = b"".join(path.read_bytes() for path in desk.home.iterdir() if path.is_file())
        assert not [text for text in before.values() if text.encode() in stored]


def test_backwards_an_office_without_passes_wants_no_key(desk):
    """Such as a group's own database, whose home has no issuer."""
    for path in (desk.home / "keys").glob("*.pem"):
        path.unlink()
    call_command("migrate", "office", "0014", verbosity=0)
    assert "code" in columns()
    call_command("migrate", "office", verbosity=0)


def test_without_the_issuers_key_it_says_so(desk):
    one = desk.holder("Li Wei")
    (homes.current().keys / "issuer.pem").unlink()
    with pytest.raises(OfficeFault, match="there is no key"):
        Codes.here().of(one)
