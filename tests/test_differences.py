"""An office restored from an old backup opens nothing that the gates were told to refuse since (C30, C11)."""

import shutil
from datetime import UTC, datetime, timedelta

import pyrage
import pytest
from django.db import connections
from django.utils import timezone

from agent.core.allowlist import Status
from agent.core.passes import parse
from office.home import prepare, use

prepare()

from office import holder_keys, registry  # noqa: E402
from office.backup import making, restoring  # noqa: E402
from office.backup.lockbox import Key, Lock  # noqa: E402
from office.differences import What, hearing, settling  # noqa: E402
from office.faults import OfficeFault  # noqa: E402
from office.issuing import Codes  # noqa: E402
from office.models import (  # noqa: E402
    Act,
    Alert,
    Difference,
    Event,
    Gate,
    HolderKey,
    Pass,
    Person,
    Publication,
    Restoration,
)
from office.web import alerting  # noqa: E402
from tests.test_office_and_gate import Site  # noqa: E402

MINE = pyrage.x25519.Identity.generate()
LOCK, KEY = Lock.to([str(MINE.to_public())]), Key((MINE,))


@pytest.fixture
def site(tmp_path):
    yield Site(tmp_path / "site")
    connections.close_all()


def issued(site: Site, *people: str) -> list[str]:
    """Approved passes."""
    ids = [site.issue(person) for person in people]
    for one in ids:
        site.office("approve", one, "--by", "wang")
    return ids


def backup(site: Site, name: str = "old.age"):
    file = site.folder / name
    making.make(use(site.folder / "home"), file, LOCK, site.folder / "people.age")
    return file


def restore(site: Site, file, **wish) -> restoring.Restored:
    """The machine is lost; its office comes back under the same path, as a new machine would have it."""
    people = making.make(
        use(site.folder / "home"), site.folder / "today.age", LOCK, site.folder / "people.age"
    )
    assert people
    connections.close_all()
    shutil.rmtree(site.folder / "home")
    return restoring.restore(
        site.folder / "home", restoring.Wish(file, KEY, site.folder / "people.age", **wish), by="wang"
    )


def standing() -> dict[str, str]:
    return dict(Difference.objects.values_list("subject", "what"))


def at_the_gates(site: Site, *ids: str) -> list[Status | None]:
    found = [site.gates_list().find(bytes.fromhex(one)) for one in ids]
    return [grant and grant.status for grant in found]


def test_what_was_revoked_after_the_backup_stays_shut(site):
    """C30: on the list, beside it in rv/hot, or dropped from it; and the next list has a greater number."""
    ids = issued(site, "Li", "Wang", "Zhao", "Qian", "Sun")
    listed, hot, waiting, dropped, _ = ids
    site.publish()
    old = backup(site)
    site.office("revoke", listed, "--by", "chen")
    site.office("suspend", waiting, "--by", "chen")
    Pass.objects.filter(pass_id=dropped).update(not_after=timezone.now() - timedelta(days=40))
    site.publish()
    site.office("revoke", hot, "--by", "chen")
    before = at_the_gates(site, *ids)
    assert before == [Status.REVOKED, Status.REVOKED, Status.SUSPENDED, None, Status.LIVE]

    back = restore(site, old)
    assert (back.number, back.differences) == (2, 4)
    assert standing() == {
        listed: What.REVOKED,
        hot: What.REVOKED,
        waiting: What.SUSPENDED,
        dropped: What.ABSENT,
    }
    site.publish()
    assert site.gates_list().head.number == 3
    assert at_the_gates(site, *ids) == [
        Status.REVOKED,
        Status.REVOKED,
        Status.SUSPENDED,
        Status.SUSPENDED,
        Status.LIVE,
    ]
    assert Alert.objects.get(kind="differences").count == 1


def test_a_person_settles_and_the_gates_follow(site):
    """C30: by command; every word of it is in the history."""
    one, other = issued(site, "Li", "Wang")
    site.publish()
    old = backup(site)
    for pass_id in (one, other):
        site.office("suspend", pass_id, "--by", "chen")
    site.publish()
    restore(site, old)
    said = site.office("differences", "list")
    assert [line.split("\t")[:2] for line in said.splitlines()] == [[one, "suspended"], [other, "suspended"]]
    settle = ("differences", "settle")
    assert "found none of" in site.office(*settle, one, "--by", "wu", "--why", "paid", exit_code=1)
    assert "found no difference" in site.office(
        *settle, "x", "--seen", "--by", "wu", "--why", "y", exit_code=1
    )
    site.office(*settle, one, "--open", "--by", "wu", "--why", "paid")
    site.office(*settle, other, "--shut", "--by", "wu", "--why", "moved out")
    assert "settled already" in site.office(*settle, one, "--seen", "--by", "wu", "--why", "x", exit_code=1)
    site.publish()
    assert at_the_gates(site, one, other) == [Status.LIVE, Status.REVOKED]
    assert list(Act.objects.filter(what="settle").values_list("subject", flat=True)) == [one, other]
    assert not alerting.open_alerts().exists(), "the alert is closed with the last of them"
    assert site.office("differences", "list") == ""
    assert len(site.office("differences", "list", "--all").splitlines()) == 2


def test_a_lost_phone_stays_lost_and_the_next_one_opens(site):
    """C05, C30: the key of the thief is not put back on the list."""
    ids = issued(site, "Li", "Wang")
    lost, replaced = ids
    first, second, third = ("ed25519:" + key_hex for key_hex in three_keys())
    Pass.objects.filter(pass_id=lost).update(on_phone=True, holder_key=first)
    Pass.objects.filter(pass_id=replaced).update(on_phone=True, holder_key=second)
    for pass_id, key in ((lost, first), (replaced, second)):
        HolderKey.objects.create(held=Pass.objects.get(pass_id=pass_id), key=key, since=timezone.now())
    site.publish()
    old = backup(site)
    Pass.objects.filter(pass_id=lost).update(holder_key="")
    Pass.objects.filter(pass_id=replaced).update(holder_key=third)
    HolderKey.objects.create(held=Pass.objects.get(pass_id=replaced), key=third, since=timezone.now())
    site.publish()
    restore(site, old)
    assert standing() == {lost: What.PHONE_OUT, replaced: What.PHONE}
    site.publish()
    grants = [site.gates_list().find(bytes.fromhex(one)) for one in ids]
    assert [(grant.status, grant.holder and str(grant.holder)) for grant in grants] == [
        (Status.SUSPENDED, None),
        (Status.LIVE, third),
    ]
    assert HolderKey.objects.get(key=second).until is not None
    certificate = parse(Codes.here().of(Pass.objects.get(pass_id=replaced)))
    assert str(certificate.holder) == third, "the certificate is of the new phone"


def three_keys() -> list[str]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

    keys = [Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex() for _ in range(3)]
    assert all(holder_keys.read("ed25519:" + key) for key in keys)
    return keys


def test_passes_issued_after_the_backup_go_on_and_somebody_names_them(site):
    """C30: whoever moved in last week gets home; whose pass it is, the desk finds out."""
    (known,) = issued(site, "Li")
    site.publish()
    old = backup(site)
    (moved_in,) = issued(site, "Wang")
    (gone,) = issued(site, "Zhao")
    site.office("revoke", gone, "--by", "chen")
    site.publish()
    restore(site, old)
    assert standing() == {moved_in: What.UNKNOWN, gone: What.UNKNOWN}
    site.publish()
    assert at_the_gates(site, known, moved_in, gone) == [Status.LIVE, Status.LIVE, Status.REVOKED]
    assert Pass.objects.get(pass_id=moved_in).person.name == f"? {moved_in}"
    one = Difference.objects.get(subject=moved_in)
    site.office(
        "differences",
        "settle",
        moved_in,
        "--seen",
        "--by",
        "wu",
        "--why",
        "the contract",
        "--name",
        "Wang Fang",
    )
    held = Pass.objects.get(pass_id=moved_in)
    assert (held.person.name, held.state) == ("Wang Fang", "live")
    assert not [person for person in Person.objects.all() if person.name == f"? {moved_in}"]
    one.refresh_from_db()
    assert (one.by, one.outcome, one.why) == ("wu", "seen", "the contract")
    twice = Difference.objects.get(subject=gone)
    with pytest.raises(OfficeFault, match="for good"):
        settling.settle(twice, settling.Outcome.OPEN, by="wu", why="came back")


def test_rules_and_gates_are_those_of_the_list_or_the_stricter(site):
    """C30: a gate whose device was replaced is not believed with its old key."""
    issued(site, "Li")
    place = use(site.folder / "home")
    here = registry.the_site()
    keys = three_keys()
    for name, key in zip(("north", "garage"), keys, strict=False):
        Gate.objects.create(site=here, name=name, device_id=name, journal_key=f"ed25519:{key}", record={})
    assert here.unlisted_holders
    site.publish()
    old = backup(site)
    here.unlisted_holders, here.holidays = False, ["2026-10-01"]
    here.save()
    Gate.objects.filter(name="north").update(journal_key=f"ed25519:{keys[2]}")
    site.office("schedule", "set", "office-hours", "mon-fri 08:00-18:00", "--by", "wu")
    site.publish()
    restore(site, old)
    assert standing() == {
        "unlisted_holders": What.RULE,
        "holidays": What.RULE,
        "schedule 1": What.RULE,
        "north": What.GATE,
    }
    del place
    before = site.gates_list().head
    site.publish()
    after = site.gates_list().head
    assert (after.gates, after.unlisted_holders, after.holidays, after.schedules) == (
        before.gates,
        False,
        before.holidays,
        before.schedules,
    )
    with pytest.raises(OfficeFault, match="no pass of this office"):
        settling.settle(Difference.objects.get(subject="north"), settling.Outcome.SHUT, by="wu", why="x")


def test_where_nothing_was_published_since_nothing_differs(site):
    """C30: drafts and changes that no list has told yet are no differences."""
    told, later = issued(site, "Li", "Wang")
    site.publish()
    (untold,) = issued(site, "Zhao")
    site.office("suspend", later, "--by", "chen")
    back = restore(site, backup(site))
    assert (back.number, back.differences, standing()) == (1, 0, {})
    site.publish()
    assert at_the_gates(site, told, later, untold) == [Status.LIVE, Status.SUSPENDED, Status.LIVE]


def test_a_stricter_registry_stays_strict(site):
    stopped, draft = issued(site, "Li")[0], site.issue("Wang")
    site.office("suspend", stopped, "--by", "chen")
    site.publish()
    old = backup(site)
    site.office("resume", stopped, "--by", "chen")
    site.office("approve", draft, "--by", "wang")
    site.publish()
    restore(site, old)
    assert standing() == {stopped: What.RESUMED, draft: What.APPROVED}
    site.publish()
    assert at_the_gates(site, stopped, draft) == [Status.SUSPENDED, Status.LIVE]


def test_without_a_list_the_gates_tell(site):
    """C30: what a gate refuses as revoked is shut here, before anything is published."""
    one, other, touched = issued(site, "Li", "Wang", "Zhao")
    here = registry.the_site()
    gate = Gate.objects.create(
        site=here, name="north", device_id="n", journal_key=f"ed25519:{three_keys()[0]}", record={}
    )
    site.publish()
    old = backup(site)
    for _ in range(4):
        site.publish()
    for path in sorted(site.repo.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(OfficeFault, match="--without-list"):
        restore(site, old)
    assert not (site.folder / "home").exists()
    back = restoring.restore(
        site.folder / "home",
        restoring.Wish(old, KEY, site.folder / "people.age", without_list=True),
        by="wang",
    )
    assert back.number is None
    gate = Gate.objects.get(name="north")

    def happened(seq: int, kind: str, pass_id: str = "", reason: str = "", data: str = "{}") -> None:
        Event.objects.create(
            gate=gate,
            epoch="a" * 16,
            seq=seq,
            at_utc=datetime.now(UTC).timestamp() + seq,
            kind=kind,
            reason=reason,
            pass_id=pass_id,
            body=f'{{"data":{data}}}'.encode(),
        )

    site.office("suspend", touched, "--by", "chen", exit_code=1)  # the gates can't be told
    site.office("resume", touched, "--by", "chen", exit_code=1)
    happened(1, "pass.refused", one, "revoked")
    happened(2, "pass.refused", other, "outside_schedule")
    happened(3, "pass.refused", touched, "suspended")  # by what was said here since
    happened(4, "pass.admitted", "00000000000000aa")
    happened(5, "list.switched", data='{"list":5000}')
    site.publish()
    assert standing() == {one: What.DENIED, "00000000000000aa": What.STRANGER}
    assert at_the_gates(site, one, other, touched) == [Status.SUSPENDED, Status.LIVE, Status.LIVE]
    assert site.gates_list().head.number == 5001, "above any that a gate has had"
    assert hearing.hear() == 0, "once"


def test_no_list_below_what_gates_may_have_is_signed_again(site):
    """C30: also not a copy of last month's repository."""
    (one,) = issued(site, "Li")
    site.publish()
    old, copy = backup(site), site.folder / "copy"
    shutil.copytree(site.repo, copy)
    for _ in range(3):
        site.publish()
    shutil.copytree(site.repo, site.folder / "newest")
    shutil.rmtree(site.repo)
    shutil.copytree(copy, site.repo)
    back = restore(site, old, repository=site.folder / "newest")
    assert back.number == 4
    for words in (("renew",), ("revoke", one, "--by", "chen"), ("publish", "--hot")):
        assert "publish a new list first" in site.office(*words, exit_code=1)
    site.publish()
    assert site.gates_list().head.number == 5
    site.office("renew")


def test_a_list_that_is_found_later_is_compared_then(site):
    (one,) = issued(site, "Li")
    site.publish()
    old = backup(site)
    site.office("revoke", one, "--by", "chen")
    site.publish()
    restore(site, old, without_list=True)
    assert Pass.objects.get(pass_id=one).state == "live"
    site.office("differences", "compare", site.repo)
    assert standing() == {one: What.REVOKED}
    assert Publication.objects.latest("number").number == 2
    site.office("differences", "compare", site.repo)
    assert Restoration.objects.count() == len(standing()) == 1


@pytest.mark.parametrize("harm", ["shard", "hot", "signature", "site"])
def test_a_list_that_is_not_this_offices_is_not_believed(site, tmp_path, harm):
    """C18, C30: whoever could write into the repository can't add passes by way of a restore."""
    issued(site, "Li")
    site.publish()
    old = backup(site)
    match harm:
        case "shard":
            part = max(
                (one for one in (site.repo / "al").iterdir() if not one.suffix),
                key=lambda p: p.stat().st_size,
            )
            part.write_bytes(part.read_bytes()[::-1])
        case "hot":
            (hot,) = (site.repo / "rv").iterdir()
            hot.write_bytes(hot.read_bytes().replace(b"[]", b"[ ]", 1))
        case "signature":
            stamp = site.repo / "timestamp.json"
            stamp.write_bytes(stamp.read_bytes().replace(b'"version":', b'"version":1', 1))
        case _:
            connections.close_all()
            other = Site(tmp_path / "other")
            issued(other, "Wang")
            other.publish()
            shutil.rmtree(site.repo)
            shutil.copytree(other.repo, site.repo)
    with pytest.raises(OfficeFault, match="can't be believed"):
        restore(site, old)
    assert not (site.folder / "home").exists()
