"""The rehearsal's world: codes that are codes, hands that come and go, scripts that say what is wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import passes
from agent.core.keys import Alg, PublicKey
from agent.frames import Frame
from agent.vision import Reader
from benchmarks import decode
from hw.sim.approach import Approach
from hw.sim.codes import MEDIA, flat, matrix
from hw.sim.conditions import CONDITIONS, REALISTIC
from hw.sim.film import Film, still
from hw.sim.holder import Holder
from hw.sim.script import FaultKind, ScriptFault, read_script

PASS = "M1" + "ABC123XYZ:" * 11 + "ABCDEF"
SIZE = (360, 640)


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public(key):
    if isinstance(key, Ed25519PrivateKey):
        return PublicKey(Alg.ED25519, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PublicKey(Alg.P256, point[1:], odd=point[0] == 3)


def test_a_pass_of_118_characters_is_a_version_5_code():
    assert matrix(PASS).shape == (37, 37)


def test_what_no_code_can_hold_is_refused():
    with pytest.raises(ValueError, match="4297 characters or bytes, more than a QR code holds"):
        matrix("A" * 4297)


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("condition", REALISTIC)
def test_what_is_held_up_is_read_within_its_approach(medium, condition):
    film = Film([Approach(PASS, medium, condition, seconds=2, seed=4)], 540, 960)
    reader = Reader()
    read = {s.text for number in range(14, 46) for s in reader.read(film.frame_at(number / 30))}
    assert read == {PASS}


@pytest.mark.parametrize("medium", ["phone", "dark-phone"])
def test_a_screen_that_burns_out_at_night_is_read_in_the_darker_of_two_exposures(medium):
    film = Film([Approach(PASS, medium, "hard-night", seconds=2, seed=4)], 540, 960)
    for gains, wanted in (((1.0,), set()), ((1.0, 0.25), {PASS})):
        reader = Reader()
        read = set()
        for number in range(60):
            gain = gains[number % len(gains)]
            frame = Frame(film.frame_at(number / 30, gain=gain), None, number / 30, gain)
            read |= {sighting.text for sighting in reader.read(frame)}
        assert read == wanted


def test_the_same_second_is_the_same_picture_and_no_other_second_is():
    def film():
        return Film([Approach(PASS, "card", "night", starts_s=1)], *SIZE, seed=5)

    frames = [film().frame_at(number / 30) for number in range(60)]
    assert (frames[40] == film().frame_at(40 / 30)).all()
    assert len({frame.tobytes() for frame in frames}) == 60
    assert frames[0].dtype == np.uint8
    assert frames[0].shape == SIZE


def test_a_person_comes_holds_and_goes():
    film = Film([Approach(PASS, starts_s=1, seconds=3)], *SIZE)
    reader = Reader()
    read_at = [number / 10 for number in range(60) if reader.read(film.frame_at(number / 10))]
    assert 1.2 < min(read_at) < 2.0
    assert 3.0 < max(read_at) < 4.0


def test_two_people_at_once_are_both_seen():
    people = [
        Approach("ALICE", aside=-0.2),
        Approach("BOB", "card", aside=0.2),
    ]
    film = Film(people, 540, 960)
    assert {sighting.text for sighting in Reader().read(film.frame_at(1.5))} == {"ALICE", "BOB"}


@given(
    medium=st.sampled_from(sorted(MEDIA)),
    condition=st.sampled_from(sorted(CONDITIONS)),
    at_s=st.floats(0, 2),
    seed=st.integers(0, 50),
    aside=st.floats(-1, 1),
    size=st.sampled_from([(64, 64), (240, 320), (360, 640), (65, 333)]),
)
@settings(max_examples=150, deadline=None)
def test_no_moment_of_any_approach_breaks_the_film(*, medium, condition, at_s, seed, aside, size):
    film = Film([Approach("ALICE", medium, condition, seconds=2, seed=seed, aside=aside)], *size)
    assert film.frame_at(at_s).shape == size


def test_every_seed_is_another_hand():
    assert len({still(PASS, seed=seed, size_px=SIZE).tobytes() for seed in range(8)}) == 8


@pytest.mark.parametrize(
    "make", [Ed25519PrivateKey.generate, lambda: ec.generate_private_key(ec.SECP256R1())]
)
def test_a_residents_phone_shows_a_new_true_pass_every_15_seconds(make):
    key = make()
    phone = Holder(b"resident", key, "demo")
    seen = {utc: phone.text_at(utc) for utc in (1_800_000_000.0, 1_800_000_014.9, 1_800_000_015.0)}
    first, same, later = (passes.parse(text) for text in seen.values())
    assert first == same
    assert later.step == first.step + 1 == passes.step_at(1_800_000_015)
    assert first.pass_id == b"resident"
    assert first.holds(public(key), "demo")
    assert not first.holds(public(key), "elsewhere")


def test_a_phone_whose_clock_is_wrong_shows_the_pass_of_another_time():
    phone = Holder(b"resident", Ed25519PrivateKey.generate(), "demo", clock_off_s=-300)
    assert passes.parse(phone.text_at(1_800_000_000)).step == passes.step_at(1_800_000_000 - 300)


# Scripts.


def written(folder, text):
    path = folder / "day.toml"
    path.write_text(text)
    return path


def test_a_script_says_who_comes_when_and_what_befalls_the_camera(tmp_path):
    key = Ed25519PrivateKey.generate()
    (tmp_path / "alice.pem").write_bytes(pem(key))
    script = read_script(
        written(
            tmp_path,
            """
            [[approach]]
            at_s = 1
            seconds = 2.5
            text = "HELLO"
            medium = "card"
            condition = "glare"
            seed = 3

            [[approach]]
            at_s = 5
            pass = { id = "0123456789abcdef", key_file = "alice.pem", site = "demo" }

            [[fault]]
            at_s = 10
            seconds = 2
            kind = "vanish"
            """,
        )
    )
    hello, alice = script.approaches
    assert hello == Approach("HELLO", "card", "glare", 1, 2.5, 3)
    assert passes.parse(alice.content(1_800_000_000)).holds(public(key), "demo")
    assert [script.fault_at(second) for second in (9.9, 10, 11.9, 12)] == [
        None,
        FaultKind.VANISH,
        FaultKind.VANISH,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[approach]]\nat_s = 1", "approach.0: Value error, wanted either text or pass"),
        (
            "[[approach]]\nat_s = -1\ntext = 'A'",
            "approach.0.at_s: Input should be greater than or equal to 0",
        ),
        (
            "[[approach]]\nat_s = 1\ntext = 'A'\nmedium = 'stone'",
            "found 'stone', wanted one of card, phone, dark-phone",
        ),
        (
            "[[approach]]\nat_s = 1\ntext = 'A'\ncolour = 1",
            "approach.0.colour: Extra inputs are not permitted",
        ),
        (
            "[[fault]]\nat_s = 1\nseconds = 1\nkind = 'rust'",
            "fault.0.kind: Input should be 'vanish' or 'freeze'",
        ),
        (
            "[[approach]]\nat_s = 1\npass = {id='0123456789abcdef', key_file='no.pem', site='x'}",
            "key file .*no.pem",
        ),
        (
            "[[approach]]\nat_s = 1\npass = {id='0123456789abcdef', key_file='rsa.pem', site='x'}",
            "another kind of key",
        ),
        (
            "[[approach]]\nat_s = 1\npass = {id='0123456789abcdef', key_file='day.toml', site='x'}",
            "holds no private key",
        ),
        ("approach = ", "is no TOML"),
        ("# \udcff", "is no TOML"),
    ],
)
def test_a_script_that_cannot_be_played_says_what_is_wrong(tmp_path, text, says):
    (tmp_path / "rsa.pem").write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    path = tmp_path / "day.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ScriptFault, match=says):
        read_script(path)


def test_a_script_that_is_not_there_is_named():
    with pytest.raises(ScriptFault, match=r"nowhere.toml: No such file"):
        read_script(Path("nowhere.toml"))


# The benchmark.


def test_a_benchmark_without_photographs_is_skipped_with_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MENSHEN_QR_PHOTOS", raising=False)
    assert decode.main([]) == 0
    assert decode.main([str(tmp_path)]) == 0
    assert decode.main([str(tmp_path / "nowhere")]) == 0
    assert capsys.readouterr().out.count("bench-decode skipped") == 3


def test_the_benchmark_scores_hits_misreads_and_misses(tmp_path):
    for name, shown, said in (
        ("hit", "ALICE", "ALICE\n"),
        ("misread", "BOB", "EVE"),
        ("miss", None, "NOBODY"),
    ):
        picture = np.full((200, 200), 128, np.uint8) if shown is None else flat(shown)
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
        (tmp_path / f"{name}.txt").write_text(said)
    (tmp_path / "unknown.png").write_bytes((tmp_path / "hit.png").read_bytes())
    photos = decode.photos_in(tmp_path)
    assert [photo.name for photo in photos] == ["hit.png", "misread.png", "miss.png"]
    score = decode.score("menshen, stills", photos)
    assert (score.photos, score.hits, score.misreads, score.deaths) == (3, 1, ["misread.png"], 0)
