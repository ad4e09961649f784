"""Signatures: ours, and what an outside COSE library makes of them."""

import warnings

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from hypothesis import given
from hypothesis import strategies as st

from agent.core.keys import Alg, PublicKey, sig_structure, verify
from agent.core.passes import context, parse
from tests.core.builders import (
    ALICE,
    BOB,
    ISSUER,
    SITE,
    certificate,
    p256,
    public,
    rotating,
    signature,
    static,
)

with warnings.catch_warnings():
    # pycose 1.1 still names types that newer versions of its own requirements have moved.
    warnings.simplefilter("ignore")
    from pycose.algorithms import EdDSA, Es256
    from pycose.headers import Algorithm
    from pycose.keys import EC2Key, OKPKey
    from pycose.messages import Sign1Message

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FIELD = 2**255 - 19
BOTH = pytest.mark.parametrize("signer", [ALICE, BOB], ids=["ed25519", "p256"])


def as_cose(body: bytes, made: bytes, alg: Alg, aad: bytes):
    """Our 77 bytes grown again into the COSE_Sign1 that they stand for."""
    algorithm = EdDSA if alg is Alg.ED25519 else Es256
    # Past pycose's own decode, which wants lists where cbor2 6 reads tuples inside a tag.
    protected = cbor2.dumps({1: algorithm.identifier})
    message = Sign1Message.from_cose_obj([protected, {}, body, made], allow_unknown_attributes=False)
    assert message.phdr[Algorithm] is algorithm
    message.external_aad = aad
    return message


def cose_key(key: PublicKey):
    if key.alg is Alg.ED25519:
        return OKPKey(crv="ED25519", x=key.raw)
    point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), bytes((2 + key.odd,)) + key.raw)
    numbers = point.public_numbers()
    return EC2Key(crv="P_256", x=numbers.x.to_bytes(32), y=numbers.y.to_bytes(32))


@BOTH
def test_an_outside_cose_library_verifies_a_rotating_code(signer):
    code = parse(rotating("someone", signer))
    message = as_cose(code.body, code.signature, code.alg, context(SITE).encode())
    message.key = cose_key(public(signer))
    assert message.verify_signature()
    message.external_aad = context("another-court").encode()
    assert not message.verify_signature()


@BOTH
def test_an_outside_cose_library_verifies_a_printed_card(signer):
    code = parse(static("someone", signer))
    message = as_cose(code.body, code.signature, public(signer).alg, context(SITE).encode())
    message.key = cose_key(public(signer))
    assert message.verify_signature()


@BOTH
@pytest.mark.parametrize("holder", [ALICE, BOB], ids=["for ed25519", "for p256"])
def test_an_outside_cose_library_verifies_a_certificate(signer, holder):
    code = parse(certificate("someone", holder, signer))
    message = as_cose(code.body, code.signature, public(signer).alg, context(SITE).encode())
    message.key = cose_key(public(signer))
    assert message.verify_signature()
    message.external_aad = context("another-court").encode()
    assert not message.verify_signature()


@given(st.sampled_from(Alg), st.text(max_size=300), st.binary(max_size=70_000))
def test_what_is_signed_is_what_cbor_says(alg, aad, payload):
    if max(len(payload), len(aad.encode())) > 0xFFFF:
        with pytest.raises(OverflowError):
            sig_structure(alg, aad, payload)
        return
    protected = cbor2.dumps({1: -8 if alg is Alg.ED25519 else -7})
    assert sig_structure(alg, aad, payload) == cbor2.dumps(["Signature1", protected, aad.encode(), payload])


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65535])
def test_lengths_take_the_fewest_bytes(size):
    payload = bytes(size)
    assert sig_structure(Alg.P256, "", payload).endswith(cbor2.dumps(payload))


@BOTH
def test_a_signature_holds_for_its_key_and_its_bytes_only(signer):
    made = signature(signer, b"let me in")
    assert verify(public(signer), made, b"let me in")
    assert not verify(public(signer), made, b"let me out")
    assert not verify(public(ISSUER), made, b"let me in")
    assert not verify(public(p256("someone else")), made, b"let me in")


@BOTH
@pytest.mark.parametrize("size", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_none(signer, size):
    made = signature(signer, b"let me in") * 2
    assert not verify(public(signer), made[:size], b"let me in")


@BOTH
@given(made=st.binary(min_size=64, max_size=64))
def test_no_64_bytes_are_a_signature_by_chance(signer, made):
    assert not verify(public(signer), made, b"let me in")


@pytest.mark.parametrize(
    "made",
    [bytes(64), bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32), b"\xff" * 64, ORDER.to_bytes(32) * 2],
    ids=["zeros", "r is zero", "s is zero", "beyond the order", "the order"],
)
def test_the_edges_of_p256_are_refused(made):
    assert not verify(public(BOB), made, b"let me in")


def test_the_mirrored_p256_signature_also_holds_so_replay_must_not_look_at_signatures():
    made = signature(BOB, b"let me in")
    mirrored = made[:32] + (ORDER - int.from_bytes(made[32:])).to_bytes(32)
    assert verify(public(BOB), mirrored, b"let me in")


def test_an_ed25519_signature_has_no_second_form():
    order = 2**252 + 27742317777372353535851937790883648493
    made = signature(ALICE, b"let me in")
    second = made[:32] + (int.from_bytes(made[32:], "little") + order).to_bytes(32, "little")
    assert not verify(public(ALICE), second, b"let me in")


@pytest.mark.parametrize(
    "raw",
    [bytes(32), b"\xff" * 32, (5).to_bytes(32), b"", b"\x00" * 31, b"\x01" * 33],
    ids=["x is zero", "beyond the field", "not on the curve", "empty", "short", "long"],
)
@pytest.mark.parametrize("alg", Alg)
@pytest.mark.parametrize("odd", [False, True])
def test_a_key_that_is_no_point_verifies_nothing(alg, raw, odd):
    assert not verify(PublicKey(alg, raw, odd), signature(BOB, b"let me in"), b"let me in")


def test_a_small_order_key_verifies_what_nobody_signed_so_enrolment_must_refuse_it():
    nobody = PublicKey(Alg.ED25519, (1).to_bytes(32, "little"))
    made = (1).to_bytes(32, "little") + bytes(32)
    assert verify(nobody, made, b"anything at all")


@pytest.mark.parametrize("signer", [ALICE, BOB, p256("odd one"), p256("even one"), p256("third")])
def test_a_key_is_written_and_read(signer):
    key = public(signer)
    assert PublicKey.parse(str(key)) == key


def test_both_signs_of_y_are_among_them():
    keys = [public(p256(name)) for name in ("odd one", "even one", "third", "fourth", "fifth")]
    assert {key.odd for key in keys} == {False, True}
    assert str(PublicKey(Alg.P256, bytes(32), odd=True)) == "p256:odd:" + "00" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ed25519",
        "ed25519:",
        "ed25519:zz",
        "ed25519:" + "00" * 31,
        "ed25519:" + "00" * 33,
        "ed25519:odd:" + "00" * 32,
        "p256:even:" + "00" * 32,
        "p256:odd:odd:" + "00" * 32,
        "rsa:" + "00" * 32,
        "ED25519:" + "00" * 32,
        "ed25519: " + "00" * 32,
        "ed25519:" + "AA" * 32,
        "ed25519:" + "00 " * 32,
        "ed25519:" + "٠٠" * 32,
    ],
)
def test_a_key_in_any_other_form_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"^found .*wanted"):
        PublicKey.parse(text)
