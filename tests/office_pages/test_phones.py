"""A resident's phone: invited at the desk, enrolled by its own key, lost, and followed by the next."""

import hashlib
import json
import threading
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from agent.core.allowlist import Status
from agent.core.keys import Alg
from agent.core.passes import HolderCertificate, parse
from office import phones, publishing
from office.issuing import Codes
from office.keyring import Keyring
from office.models import Act, HolderKey, Invitation, Pass, Publication
from office.web import assets, holding
from office.web.models import GateNow
from tests.office_pages.desk import SITE, Desk
from tests.office_pages.phone import Phone, invited


@pytest.mark.parametrize("alg", list(Alg))
def test_a_phone_is_invited_and_gets_a_certificate_for_its_own_key(desk: Desk, alg: Alg) -> None:
    one = desk.holder(on_phone=True)
    assert Codes.here().of(one) == "", "nothing to print"
    phone = Phone(alg)
    status, answer = phone.enrol(invited(desk, one.pass_id))
    assert status == 200, answer
    certificate = parse(answer["certificate"])
    assert isinstance(certificate, HolderCertificate)
    assert certificate.holds(Keyring.load(desk.home / "keys").issuer.public, SITE)
    assert (certificate.holder, certificate.pass_id.hex()) == (phone.key, one.pass_id)
    assert (answer["name"], answer["kind"], answer["state"]) == ("Li Wei", "resident", "live")
    assert [(act.who, act.what) for act in Act.objects.filter(subject=one.pass_id)] == [
        ("chen", "draft"),
        ("wang", "approve"),
        ("chen", "invite"),
        ("holder", "key.in"),
    ]


def test_the_clerk_chooses_card_or_phone(desk: Desk) -> None:
    now = timezone.now()
    asked = {
        "name": "赵敏",
        "kind": "resident",
        "form": "phone",
        "zones": ["main"],
        "begins": f"{now:%Y-%m-%dT00:00}",
        "ends": f"{now + timedelta(days=300):%Y-%m-%dT00:00}",
        "uses": "0",
    }
    clerk = desk.browser("chen")
    clerk.post("/people/new", asked)
    one = Pass.objects.get()
    assert one.on_phone
    assert "Only an approved pass" in clerk.post(f"/passes/{one.pass_id}/invite", follow=True).text
    desk.browser("wang").post("/review/decide", {"pass": [one.pass_id], "decision": "approve"})
    assert "Invite the phone" in clerk.get(f"/people/{one.person_id}").text
    assert "no badge" not in clerk.get("/badges").text
    assert one.pass_id not in clerk.get("/badges").text


def test_the_desk_is_told_in_its_language_why_no_phone_is_invited(desk: Desk) -> None:
    card, phone = desk.holder(), desk.holder("Wu", on_phone=True)
    clerk = desk.browser("chen")
    chinese = {"accept-language": "zh-hans"}
    assert "printed card" in clerk.post(f"/passes/{card.pass_id}/invite", follow=True).text
    assert "印制的卡" in clerk.post(f"/passes/{card.pass_id}/invite", follow=True, headers=chinese).text
    assert "on no phone now" in clerk.post(f"/passes/{phone.pass_id}/lost", {"why": "x"}, follow=True).text
    Phone().enrol(invited(desk, phone.pass_id))
    assert "on a phone already" in clerk.post(f"/passes/{phone.pass_id}/invite", follow=True).text


def test_only_the_desk_invites_and_only_the_hash_of_the_link_is_kept(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    for name in ("wang", "liu", "zhao", "admin"):
        assert desk.browser(name).post(f"/passes/{one.pass_id}/invite").status_code == 403
    token = invited(desk, one.pass_id)
    kept = Invitation.objects.get()
    assert kept.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in json.dumps(list(Invitation.objects.values()), default=str)
    assert desk.browser("chen").post("/passes/0000000000000000/invite").status_code == 404


def test_an_invitation_is_for_one_phone_once(desk: Desk) -> None:
    token = invited(desk, desk.holder(on_phone=True).pass_id)
    first, second = Phone(), Phone()
    assert first.enrol(token)[0] == 200
    status, answer = second.enrol(token)
    assert (status, answer["error"]) == (410, "used")
    assert first.ask("challenge", token=token)[1]["error"] == "used"
    assert HolderKey.objects.get().key == str(first.key)


def test_an_answer_that_got_lost_can_be_asked_for_again_by_the_same_phone(desk: Desk) -> None:
    token = invited(desk, desk.holder(on_phone=True).pass_id)
    phone = Phone()
    question = phone.proof(token)
    answers = [phone.ask("enrol", **question) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 200]
    assert answers[0][1]["certificate"] == answers[1][1]["certificate"]
    assert HolderKey.objects.count() == 1


def test_a_new_invitation_ends_the_one_before(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    old, new = invited(desk, one.pass_id), invited(desk, one.pass_id)
    assert Phone().enrol(old)[1]["error"] == "expired"
    assert Phone().enrol(new)[0] == 200


def test_an_invitation_expires_and_so_does_its_challenge(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    token = invited(desk, one.pass_id)
    phone = Phone()
    question = phone.proof(token)
    Invitation.objects.update(challenged_at=timezone.now() - timedelta(minutes=11))
    assert phone.ask("enrol", **question)[1]["error"] == "stale"
    Invitation.objects.update(ends=timezone.now() - timedelta(seconds=1))
    assert phone.enrol(token)[1]["error"] == "expired"
    other = invited(desk, one.pass_id)
    desk.browser("chen").post(f"/passes/{one.pass_id}/move", {"what": "revoke", "why": "moved out"})
    assert phone.enrol(other)[1]["error"] == "expired"
    assert not HolderKey.objects.exists()


def test_nobody_enrols_a_key_that_is_not_proved(desk: Desk) -> None:
    token = invited(desk, desk.holder(on_phone=True).pass_id)
    phone, thief = Phone(), Phone()
    assert phone.ask("enrol", **thief.proof(token, key=str(phone.key)))[1]["error"] == "unproved"
    good = phone.proof(token)
    flipped = good["signature"][:-2] + format(int(good["signature"][-2:], 16) ^ 1, "02x")
    assert phone.ask("enrol", **{**good, "signature": flipped})[1]["error"] == "unproved"
    phone.ask("challenge", token=token)  # a new challenge makes the proof of the last one void
    assert phone.ask("enrol", **good)[1]["error"] == "unproved"
    assert phone.enrol("x" * 32)[1]["error"] == "forged"
    assert not HolderKey.objects.exists()


@pytest.mark.parametrize(
    "key",
    [
        "ed25519:" + "01" + "00" * 31,
        "ed25519:26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "ed25519:" + "00" * 32,
        "p256:" + "ff" * 32,
        "ed25519:" + "ab" * 31,
        "rsa:1",
        "",
    ],
)
def test_keys_that_anybody_can_sign_for_are_refused(desk: Desk, key: str) -> None:
    """DESIGN 5: small-order points verify signatures that nobody made."""
    token = invited(desk, desk.holder(on_phone=True).pass_id)
    question = {**Phone().proof(token), "key": key}
    status, answer = Phone().ask("enrol", **question)
    assert (status, answer["error"]) == (400, "bad_key")
    assert not HolderKey.objects.exists()


HOSTILE = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"[" * 4000,
    b'{"token":1}',
    b'{"token":"' + b"x" * 300 + b'"}',
    '{"token":"门"}'.encode(),
    b'{"token":"a","key":"b","signature":"zz"}',
    b'{"pass":"a","key":"b","signature":"00","utc":"1"}',
    b'{"pass":"a","key":"b","signature":"00","utc":true}',
    b'{"pass":"a","key":"b","signature":"00","utc":1e400}',
    b"x" * 5000,
    b"x" * 2_000_000,
)


@pytest.mark.parametrize("what", ["challenge", "enrol", "standing"])
def test_what_no_page_of_ours_asks_gets_a_word_and_nothing_else(desk: Desk, what: str) -> None:
    for body in HOSTILE:
        reply = Client().post(f"/pass/{what}", body, content_type="application/json")
        assert reply.status_code in (400, 404), body[:40]
        assert reply.json()["error"] in ("not_understood", "forged", "bad_key", "unknown"), body[:40]
    assert Client().get(f"/pass/{what}").status_code == 405


def test_two_phones_at_once_are_one_phone(desk: Desk) -> None:
    token = invited(desk, desk.holder(on_phone=True).pass_id)
    phone = Phone()
    _, opened = phone.ask("challenge", token=token)
    others = [Phone() for _ in range(4)]
    results = []

    def enrol(one: Phone) -> None:
        proof = one.sign(phones.proof(one.key.alg, SITE, opened["challenge"], str(one.key))).hex()
        results.append(one.ask("enrol", token=token, key=str(one.key), signature=proof)[0])
        connections.close_all()

    threads = [threading.Thread(target=enrol, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200, 410, 410, 410]
    assert HolderKey.objects.count() == 1


def test_a_lost_phone_goes_out_and_the_next_comes_in_with_the_same_pass(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    old, new = Phone(), Phone()
    old.enrol(invited(desk, one.pass_id))
    clerk = desk.browser("chen")
    assert "Write what became" in clerk.post(f"/passes/{one.pass_id}/lost", {"why": " "}, follow=True).text
    page = clerk.post(f"/passes/{one.pass_id}/lost", {"why": "left in a taxi"}).text
    assert old.standing()[1]["error"] == "taken_out"
    token = page.split("/pass/#")[1][:32]
    assert old.enrol(token)[1]["error"] == "known_key"
    assert new.enrol(token)[0] == 200
    one.refresh_from_db()
    assert (one.holder_key, one.state) == (str(new.key), "live")
    assert [bool(key.until) for key in HolderKey.objects.order_by("pk")] == [True, False]
    acts = Act.objects.filter(subject=one.pass_id).values_list("what", "why")
    assert ("key.out", "left in a taxi") in acts
    assert new.standing()[0] == 200


def test_the_file_shows_each_phone_and_an_invitation_that_is_out(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    clerk = desk.browser("chen")
    Phone().enrol(invited(desk, one.pass_id))
    page = clerk.get(f"/people/{one.person_id}").text
    assert page.count("<dt>Phone</dt>") == 1
    assert "<dt>Invitation</dt>" not in page
    clerk.post(f"/passes/{one.pass_id}/lost", {"why": "x" * 100_000})
    page = clerk.get(f"/people/{one.person_id}").text
    assert "<dt>Invitation</dt>" in page
    assert " – now" not in page


def test_gates_bar_a_lost_phone_until_the_next_is_there_and_never_saw_a_pass_without_one(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    assert not Pass.objects.exclude(phones.NEVER_HAD_A_KEY).exists()
    phone = Phone()
    phone.enrol(invited(desk, one.pass_id))
    assert Pass.objects.exclude(phones.NEVER_HAD_A_KEY).count() == 1
    one.refresh_from_db()
    assert publishing.grant_of(one).holder == phone.key
    phones.take_out(one.pass_id, by="chen", why="lost", now=timezone.now())
    one.refresh_from_db()
    grant = publishing.grant_of(one)
    assert (grant.status, grant.holder) == (Status.SUSPENDED, None)
    assert list(Pass.objects.filter(phones.LOST_ITS_KEY)) == [one]


def test_a_suspended_pass_stays_suspended_on_its_next_phone(desk: Desk) -> None:
    one = desk.holder(on_phone=True)
    Phone().enrol(invited(desk, one.pass_id))
    clerk = desk.browser("chen")
    clerk.post(f"/passes/{one.pass_id}/move", {"what": "suspend", "why": "rent"})
    token = clerk.post(f"/passes/{one.pass_id}/lost", {"why": "lost"}).text.split("/pass/#")[1][:32]
    phone = Phone()
    assert phone.enrol(token)[1]["state"] == "suspended"
    assert phone.standing()[1]["state"] == "suspended"


def test_a_phone_asks_for_its_own_file_and_for_no_others(desk: Desk) -> None:
    """C13."""
    north = desk.gate()
    one, other = desk.holder(on_phone=True), desk.holder("Wu", on_phone=True)
    phone, neighbour = Phone(), Phone()
    phone.enrol(invited(desk, one.pass_id))
    neighbour.enrol(invited(desk, other.pass_id))
    desk.event(north, pass_id=one.pass_id)
    status, answer = phone.standing()
    assert (status, answer["name"], answer["zones"]) == (200, "Li Wei", ["main"])
    assert [(row["gate"], row["kind"]) for row in answer["seen"]] == [("north", "pass.admitted")]
    assert abs(answer["utc"] - time.time()) < 5
    assert neighbour.standing()[1]["seen"] == []
    neighbour.pass_id = one.pass_id
    assert neighbour.standing()[1]["error"] == "unknown"
    assert neighbour.standing(key=str(phone.key))[1]["error"] == "unknown"


def test_a_question_from_another_time_is_told_the_time(desk: Desk) -> None:
    phone = Phone()
    phone.enrol(invited(desk, desk.holder(on_phone=True).pass_id))
    status, answer = phone.standing(utc=int(time.time()) - holding.CLOCK_S - 2)
    assert (status, answer["error"]) == (409, "clock")
    assert phone.standing(utc=int(answer["utc"]))[0] == 200


def test_the_certificate_is_shown_until_every_gate_knows_the_key(desk: Desk) -> None:
    north, south = desk.gate(), desk.gate("south")
    one = desk.holder(on_phone=True)
    phone = Phone()
    assert phone.enrol(invited(desk, one.pass_id))[1]["certificate"]
    one.refresh_from_db()
    one.published = publishing.grant_of(one).to_bytes()
    one.save()
    Publication.objects.create(number=7, at=timezone.now(), passes=1)
    assert phone.standing()[1]["certificate"], "no gate has that list"
    GateNow.objects.create(gate=north, list_number=7)
    GateNow.objects.create(gate=south, list_number=6)
    assert phone.standing()[1]["certificate"]
    GateNow.objects.filter(gate=south).update(list_number=8)
    assert phone.standing()[1]["certificate"] == ""


def test_the_shell_is_the_same_for_everybody_and_names_all_that_it_needs(desk: Desk) -> None:
    visitor, clerk = desk.browser(), desk.browser("chen")
    assert visitor.get("/pass/?l=en").text == clerk.get("/pass/?l=en").text
    assert "csrf" not in visitor.get("/pass/").text
    assert "把通行证放到这部手机上" in visitor.get("/pass/?l=zh-hans").text
    assert 'lang="en"' in visitor.get("/pass/?l=xx").text
    worker = visitor.get("/pass/worker.js")
    assert worker["Content-Type"].startswith("text/javascript")
    kept = json.loads(worker.text.split("const SHELL = ")[1].split(";\n")[0])
    for path in kept:
        assert visitor.get(path).status_code == 200, path
    manifest = visitor.get("/pass/manifest.webmanifest").json()
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == (
        "/pass/",
        "/pass/",
        "standalone",
    )
    for icon in manifest["icons"]:
        assert visitor.get(icon["src"])["Content-Type"] == icon["type"]
    assert "'unsafe" not in visitor.get("/pass/")["Content-Security-Policy"]


def test_the_encoder_of_others_is_as_they_published_it() -> None:
    licence = assets.contents()["qrcode.LICENSE.txt"].decode()
    assert hashlib.sha256(assets.contents()["qrcode.mjs"]).hexdigest() in licence
