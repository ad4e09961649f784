"""The codes people hold: byte for byte, and nothing that only looks like one."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core import base45, passes
from agent.core.keys import Alg, PublicKey
from agent.core.passes import HolderCertificate, Malformed, PassKind, RotatingPass, StaticPass, parse
from tests.core.builders import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    ISSUER,
    ISSUER_KEY_ID,
    NOON,
    SITE,
    certificate,
    id_of,
    p256,
    public,
    rotating,
    static,
)
from tests.vectors.make import all_vectors

VECTORS = Path(__file__).parents[1] / "vectors"
ROTATING = json.loads((VECTORS / "rotating.json").read_text())
STATIC = json.loads((VECTORS / "static.json").read_text())
CERTIFICATE = json.loads((VECTORS / "certificate.json").read_text())
NAMED = {"ids": lambda vector: vector["name"]}


# --- the published vectors -----------------------------------------------------


def test_the_published_vectors_are_what_this_code_makes():
    assert all_vectors() == {"rotating": ROTATING, "static": STATIC, "certificate": CERTIFICATE}


@pytest.mark.parametrize("vector", ROTATING + STATIC + CERTIFICATE, **NAMED)
def test_a_published_code_is_prefix_body_and_signature(vector):
    raw = bytes.fromhex(vector["body"] + vector["signature"])
    assert vector["code"] == "M1" + base45.encode(raw)
    code = parse(vector["code"])
    assert (code.body.hex(), code.signature.hex()) == (vector["body"], vector["signature"])


@pytest.mark.parametrize("vector", ROTATING + STATIC + CERTIFICATE, **NAMED)
def test_a_published_code_holds_for_its_key_at_its_site_only(vector):
    code, key = parse(vector["code"]), PublicKey.parse(vector["public_key"])
    assert passes.to_be_signed(key.alg, vector["site"], code.body).hex() == vector["to_be_signed"]
    assert code.holds(key, vector["site"])
    assert not code.holds(key, "somewhere-else")
    assert not code.holds(public(p256("somebody else")), vector["site"])


@pytest.mark.parametrize("vector", ROTATING, **NAMED)
def test_a_rotating_code_reads_as_the_page_says(vector):
    code, fields = parse(vector["code"]), vector["fields"]
    assert isinstance(code, RotatingPass)
    raw = bytes.fromhex(vector["body"])
    assert (len(raw) + 64, raw[0]) == (77, 0x21 if code.alg is Alg.ED25519 else 0x22)
    assert raw[1:9].hex() == code.pass_id.hex() == fields["pass_id"]
    assert int.from_bytes(raw[9:13]) == code.step == fields["step"]
    assert passes.step_at(fields["utc"]) == passes.step_at(fields["utc"] + 14.99) == code.step


@pytest.mark.parametrize("vector", STATIC, **NAMED)
def test_a_card_reads_as_the_page_says(vector):
    code, fields = parse(vector["code"]), vector["fields"]
    assert isinstance(code, StaticPass)
    raw = bytes.fromhex(vector["body"])
    assert (len(raw) + 64, raw[0] >> 4) == (80, 1)
    assert raw[0] & 15 == code.uses == fields["uses"]
    assert raw[1] == code.key_id == fields["key_id"]
    assert raw[2:10].hex() == code.pass_id.hex() == fields["pass_id"]
    assert raw[10] == code.zones == fields["zones"]
    assert (
        passes.EPOCH_2025 + 60 * int.from_bytes(raw[11:14]) == code.not_before_utc == fields["not_before_utc"]
    )
    assert code.not_before_utc + 600 * int.from_bytes(raw[14:16]) == code.not_after_utc
    assert code.not_after_utc == fields["not_after_utc"]


@pytest.mark.parametrize("vector", CERTIFICATE, **NAMED)
def test_a_certificate_reads_as_the_page_says(vector):
    code, fields = parse(vector["code"]), vector["fields"]
    assert isinstance(code, HolderCertificate)
    raw = bytes.fromhex(vector["body"])
    assert len(raw) + 64 == 112
    assert {3: "ed25519:", 4: "p256:", 5: "p256:odd:"}[raw[0] >> 4] + raw[16:48].hex() == fields["holder"]
    assert str(code.holder) == fields["holder"]
    assert list(PassKind)[raw[0] & 15] == code.kind == fields["kind"]
    assert raw[1] == code.key_id == fields["key_id"]
    assert raw[2:10].hex() == code.pass_id.hex() == fields["pass_id"]
    assert raw[10] == code.zones == fields["zones"]
    assert passes.EPOCH_2025 + 60 * int.from_bytes(raw[11:14]) == code.not_before_utc
    assert code.not_before_utc == fields["not_before_utc"]
    assert code.not_before_utc + 600 * int.from_bytes(raw[14:16]) == code.not_after_utc
    assert code.not_after_utc == fields["not_after_utc"]


@pytest.mark.parametrize("vector", CERTIFICATE, **NAMED)
def test_a_certificate_fits_version_6_l_and_7_m(vector):
    assert set(vector["code"]) <= set(base45.ALPHABET)
    assert len(vector["code"]) == 170  # 6-L holds 195 alphanumeric characters, 7-M 178


@pytest.mark.parametrize("vector", ROTATING + STATIC, **NAMED)
def test_a_code_fits_the_small_square_that_it_is_printed_in(vector):
    assert set(vector["code"]) <= set(base45.ALPHABET)
    assert len(vector["code"]) <= 122  # version 5-M holds 122 alphanumeric characters


# --- what is no pass -------------------------------------------------------------


@given(st.text(max_size=300) | st.text(max_size=200).map("M1".__add__))
def test_no_text_makes_the_parser_raise(text):
    assert isinstance(parse(text), (RotatingPass, StaticPass, HolderCertificate, Malformed))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(raw):
    parsed = parse("M1" + base45.encode(raw))
    wanted = (
        (len(raw) == 77 and raw[0] in {0x21, 0x22})
        or (len(raw) == 80 and raw[0] >> 4 == 1)
        or (len(raw) == 112 and raw[0] >> 4 in {3, 4, 5} and raw[0] & 15 < 5)
    )
    assert isinstance(parsed, Malformed) != wanted


def test_the_largest_code_there_is_costs_one_look_at_its_length():
    assert parse("M1" + "0" * 4294) == Malformed("4296 characters, longer than any pass")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "not a code of this system"),
        ("https://example.com/menu", "not a code of this system"),
        ("m1" + "0" * 118, "not a code of this system"),
        ("M2" + "0" * 118, "not a code of this system"),
        (" M1", "not a code of this system"),
        ("M1", "no pass has 0 bytes with type none"),
        ("M1~~~", "not base45"),
        ("M1A", "not base45"),
        ("M1" + "0" * 30, "no pass has 20 bytes with type 00"),
        ("M1\x00\xff\x80", "not base45"),
        ("M1" + "门" * 60, "not base45"),
    ],
)
def test_what_gave_a_text_away_is_said(text, detail):
    assert parse(text) == Malformed(detail)


@pytest.mark.parametrize("cut", [-79, -64, -1, 1, 2, 3])
@pytest.mark.parametrize("text", [rotating("alice", ALICE), static("visitor")], ids=["phone", "card"])
def test_a_pass_too_short_or_too_long_is_malformed(text, cut):
    raw = base45.decode(text[2:])
    wrong = raw[:cut] if cut < 0 else raw + bytes(cut)
    assert isinstance(parse("M1" + base45.encode(wrong)), Malformed)


@pytest.mark.parametrize("kind", [0x00, 0x0F, 0x20, 0x23, 0x2F, 0x35, 0x3F, 0x5F, 0x60, 0xFF])
@pytest.mark.parametrize("size", [77, 80, 112])
def test_a_type_of_a_later_version_is_malformed_today(kind, size):
    assert isinstance(parse("M1" + base45.encode(bytes((kind,)) + bytes(size - 1))), Malformed)


def test_a_rotating_type_at_the_length_of_a_card_is_malformed_and_the_other_way():
    assert isinstance(parse("M1" + base45.encode(b"\x21" + bytes(79))), Malformed)
    assert isinstance(parse("M1" + base45.encode(b"\x11" + bytes(76))), Malformed)


# --- forgeries -------------------------------------------------------------------

GENUINE = {
    rotating("alice", ALICE): public(ALICE),
    rotating("bob", BOB): public(BOB),
    static("visitor"): public(ISSUER),
    static("visitor", BOB): public(BOB),
    certificate("alice", ALICE): public(ISSUER),
    certificate("bob", BOB, BOB): public(BOB),
}


@given(st.sampled_from(list(GENUINE)), st.data())
def test_a_code_with_any_character_changed_is_accepted_by_nobody(text, data):
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(base45.ALPHABET))
    assume(other != text[place])
    changed = parse(text[:place] + other + text[place + 1 :])
    assert isinstance(changed, Malformed) or not changed.holds(GENUINE[text], SITE)


@given(st.sampled_from(list(GENUINE)), st.data())
def test_a_code_with_any_bits_changed_is_accepted_by_nobody(text, data):
    raw = bytearray(base45.decode(text[2:]))
    for place in data.draw(st.sets(st.integers(0, len(raw) * 8 - 1), min_size=1, max_size=8)):
        raw[place // 8] ^= 1 << place % 8
    changed = parse("M1" + base45.encode(bytes(raw)))
    assert isinstance(changed, Malformed) or not changed.holds(GENUINE[text], SITE)


def test_a_phones_signature_does_not_pass_for_one_of_the_other_algorithm():
    code = parse(rotating("bob", BOB))
    assert not code.holds(PublicKey(Alg.ED25519, public(BOB).raw), SITE)


# --- issuing ---------------------------------------------------------------------


@given(
    step=st.integers(0, 2**32 - 1),
    pass_id=st.binary(min_size=8, max_size=8),
    alg=st.sampled_from(Alg),
)
def test_what_a_phone_writes_the_gate_reads(step, pass_id, alg):
    code = parse(passes.compose(passes.rotating_body(alg, pass_id, step), bytes(64)))
    assert (code.step, code.pass_id, code.alg) == (step, pass_id, alg)


@given(
    uses=st.integers(0, 15),
    key_id=st.integers(0, 255),
    zones=st.integers(0, 255),
    not_before=st.integers(passes.EPOCH_2025, passes.EPOCH_2025 + 60 * 2**24 - 1),
    lasts=st.integers(1, passes.LONGEST_S),
)
def test_what_an_office_writes_the_gate_reads_never_shorter_than_asked_but_for_a_minute_of_a_year(
    uses, key_id, zones, not_before, lasts
):
    body = passes.static_body(
        pass_id=id_of("visitor"),
        uses=uses,
        key_id=key_id,
        zones=zones,
        not_before_utc=not_before,
        not_after_utc=not_before + lasts,
    )
    code = parse(passes.compose(body, bytes(64)))
    assert (code.pass_id, code.uses, code.key_id, code.zones) == (id_of("visitor"), uses, key_id, zones)
    assert 0 <= not_before - code.not_before_utc < 60
    assert code.not_after_utc - code.not_before_utc <= passes.LONGEST_S
    missing = not_before + lasts - code.not_after_utc
    assert -600 < missing <= 0 or (lasts > passes.LONGEST_S - 60 and missing < 60)


def test_a_card_for_exactly_a_leap_year_can_be_issued_at_any_second():
    begins = NOON + 42
    code = parse(static("card", not_before_utc=begins, not_after_utc=begins + 366 * DAY))
    assert code.not_after_utc - code.not_before_utc == 366 * DAY


IMPOSSIBLE = [
    ({"not_after_utc": NOON - DAY}, "must end after it begins"),
    ({"not_after_utc": NOON - DAY - 20, "not_before_utc": NOON - DAY + 20}, "must end after it begins"),
    ({"not_after_utc": NOON + 365 * DAY + 1}, "366.00 days, wanted at most 366"),
    ({"not_after_utc": NOON + 400 * DAY}, "401.00 days, wanted at most 366"),
    ({"not_before_utc": passes.EPOCH_2025 - 1}, "from 2025-01-01"),
    ({"not_before_utc": passes.EPOCH_2025 + 60 * 2**24, "not_after_utc": 1 << 40}, "to 2056-11-24"),
    ({"zones": 256}, "range"),
    ({"key_id": 256}, "range"),
]


@pytest.mark.parametrize(("terms", "said"), IMPOSSIBLE)
def test_an_office_cannot_certify_what_the_form_cannot_hold(terms, said):
    with pytest.raises(ValueError, match=said):
        certificate("alice", ALICE, **terms)


def test_a_certificate_holds_a_whole_key():
    with pytest.raises(ValueError, match="key of 31 bytes, wanted 32"):
        passes.certificate_body(
            pass_id=bytes(8),
            kind=PassKind.STAFF,
            holder=PublicKey(Alg.P256, bytes(31)),
            key_id=1,
            zones=1,
            not_before_utc=NOON,
            not_after_utc=NOON + DAY,
        )


@given(
    kind=st.sampled_from(PassKind),
    alg=st.sampled_from([(Alg.ED25519, False), (Alg.P256, False), (Alg.P256, True)]),
    raw=st.binary(min_size=32, max_size=32),
    key_id=st.integers(0, 255),
    zones=st.integers(0, 255),
    minutes=st.integers(0, 2**24 - 1),
    tens=st.integers(1, passes.LONGEST_S // 600),
)
def test_what_an_office_certifies_the_gate_reads(**drawn):
    begins = passes.EPOCH_2025 + 60 * drawn["minutes"]
    terms = {
        "pass_id": id_of("alice"),
        "kind": drawn["kind"],
        "holder": PublicKey(drawn["alg"][0], drawn["raw"], drawn["alg"][1]),
        "key_id": drawn["key_id"],
        "zones": drawn["zones"],
        "not_before_utc": begins,
        "not_after_utc": begins + 600 * drawn["tens"],
    }
    code = parse(passes.compose(passes.certificate_body(**terms), bytes(64)))
    assert {name: getattr(code, name) for name in terms} == terms


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"uses": 16}, "16 uses, wanted 0 .* to 15"),
        ({"uses": -1}, "-1 uses"),
        *IMPOSSIBLE,
    ],
)
def test_an_office_cannot_issue_what_the_form_cannot_hold(terms, said):
    with pytest.raises(ValueError, match=said):
        static("visitor", **terms)


def test_a_card_can_begin_on_the_last_minute_of_the_calendar():
    last = passes.EPOCH_2025 + 60 * (2**24 - 1)
    assert parse(static("card", not_before_utc=last, not_after_utc=last + HOUR)).not_before_utc == last


@pytest.mark.parametrize("pass_id", [b"", bytes(7), bytes(9)])
def test_a_pass_id_has_eight_bytes(pass_id):
    with pytest.raises(ValueError, match=f"id of {len(pass_id)} bytes, wanted 8"):
        passes.rotating_body(Alg.P256, pass_id, 1)


@pytest.mark.parametrize("step", [-1, 2**32])
def test_a_step_has_four_bytes(step):
    with pytest.raises(OverflowError):
        passes.rotating_body(Alg.P256, bytes(8), step)


def test_the_card_used_in_these_stories_names_its_issuers_key():
    assert parse(static("visitor")).key_id == ISSUER_KEY_ID
