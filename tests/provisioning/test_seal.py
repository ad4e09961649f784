"""A sealed kiosk opens for a technician whom its site has named, and for nobody else."""

import contextlib
import json

import pytest

from benchmarks.fuzz_provisioning import fuzz
from provisioning import changes, site_file, wire
from provisioning.bench import BenchFault, Refusal
from provisioning.credentials import Credentials
from provisioning.enrol import enrol
from provisioning.sealing import FIRST_WAIT_S, FREE_TRIES, Seal
from provisioning.technician import Technician, TechnicianFault

from .workbench import NORTH, SOUTH, Told, make_site

PASSPHRASE = b"open sesame"


@pytest.fixture(scope="module")
def ana(tmp_path_factory):
    return Technician.make("ana", tmp_path_factory.mktemp("ana") / "ana.pem", PASSPHRASE)


@pytest.fixture(scope="module")
def named_site(tmp_path_factory, ana):
    path = make_site(tmp_path_factory.mktemp("named") / "garden")
    with path.open("a") as file:
        file.write(f'[technicians]\nana = "{ana.public}"\n')
    return site_file.read(path)


@contextlib.contextmanager
def sitting_down(room, technician=None):
    with room.bench() as bench:
        bench.hello()
        if technician:
            bench.prove(technician)
        yield bench


def test_a_sealed_kiosk_is_enrolled_anew_by_the_technician_its_site_has_named(room, cable, named_site, ana):
    with room.serving(room.kiosk()):
        enrol(room.bench, named_site, NORTH, Told())
        with pytest.raises(Refusal, match="--technician-key"):
            enrol(room.bench, named_site, SOUTH, Told())
        again = enrol(room.bench, named_site, SOUTH, Told(), credentials=Credentials(ana))
    assert again.gate == "south"
    assert room.in_force() == room.expected(named_site, SOUTH)
    noted = [json.loads(line)["what"] for line in (room.state / "provision.jsonl").read_text().splitlines()]
    assert noted.count("seal.proved") == 1
    assert {"enrol.begun", "enrol.committed", "enrol.refused"} <= set(noted)


def test_a_stranger_with_a_key_of_their_own_gets_five_tries(room, cable, named_site, tmp_path):
    stranger = Technician.make("ana", tmp_path / "stranger.pem", PASSPHRASE)
    with room.serving(room.kiosk()):
        enrol(room.bench, named_site, NORTH, Told())
        with sitting_down(room) as bench:
            for _ in range(FREE_TRIES):
                with pytest.raises(Refusal, match="no technician ana with this key"):
                    bench.prove(stranger)
            with pytest.raises(Refusal, match=r"listens again in \d+ s"):
                bench.prove(stranger)


class Hands:
    """A clock for the seal: moved by hand."""

    def __init__(self):
        self.mono = 100.0

    def __call__(self):
        return self.mono


@pytest.fixture
def sealed(tmp_path, ana):
    (tmp_path / "technicians.json").write_text(json.dumps({"ana": str(ana.public)}))
    hands = Hands()
    return lambda: Seal("kiosk-1", tmp_path, tmp_path, hands), hands


def answered(seal, technician, device_id="kiosk-1"):
    nonce = seal.challenge()
    if not isinstance(nonce, str):
        return nonce
    return seal.prove("ana", technician.key.sign(wire.challenge_text(device_id, nonce)))


def test_wrong_answers_cost_time_that_doubles_and_a_restart_does_not_forget_them(sealed, ana):
    make, hands = sealed
    seal = make()
    for _ in range(FREE_TRIES):
        assert answered(seal, ana, "another kiosk") is False
    assert answered(seal, ana).wait_s <= FIRST_WAIT_S + 1
    restarted = make()
    assert answered(restarted, ana).wait_s > FIRST_WAIT_S / 2
    hands.mono += FIRST_WAIT_S + 1
    assert answered(restarted, ana, "another kiosk") is False
    assert answered(restarted, ana).wait_s > FIRST_WAIT_S
    hands.mono += 2 * FIRST_WAIT_S + 1
    assert answered(restarted, ana) is True
    assert restarted.technician == "ana"
    assert make().challenge()  # a right answer wipes the slate


def test_a_proof_is_for_one_kiosk_one_nonce_and_a_quarter_of_an_hour(sealed, ana):
    make, hands = sealed
    seal = make()
    nonce = seal.challenge()
    signature = ana.key.sign(wire.challenge_text("kiosk-1", nonce))
    assert seal.prove("ana", signature) is True
    assert seal.prove("ana", signature) is False  # replayed
    seal.challenge()
    assert seal.prove("ana", signature) is False  # for an older nonce
    assert seal.technician == "ana"
    hands.mono += 901
    assert seal.technician == ""
    nonce = seal.challenge()
    hands.mono += 61
    assert seal.prove("ana", ana.key.sign(wire.challenge_text("kiosk-1", nonce))) is False


def test_a_lost_or_damaged_list_of_technicians_opens_nothing(tmp_path, ana):
    (tmp_path / "technicians.json").write_text("{{{")
    assert answered(Seal("kiosk-1", tmp_path, tmp_path), ana) is False


@pytest.mark.parametrize("method", [method for method in wire.METHODS.values() if method.proof])
def test_what_wants_a_proof_is_refused_without_one(room, cable, named_site, method):
    params = {
        "read.open": wire.ReadParams(what="sessions"),
        "read.part": wire.PartParams(handle="0" * 8, offset=0, count=1),
        "time.set": wire.TimeParams(utc=1_800_000_000.0),
        "network.wifi": wire.WifiParams(ssid="garden", passphrase="open sesame"),
        "test.step": wire.TestStepParams(step="lock"),
        "test.end": wire.TestEndParams(at="2026-03-01T08:00:00.000Z", answers={}),
        "decommission": wire.DecommissionParams(gate="north", at="2026-03-01T08:00:00.000Z"),
    }
    with room.serving(room.kiosk()):
        enrol(room.bench, named_site, NORTH, Told())
    before = room.in_force()
    with (
        room.serving(room.kiosk()),  # started anew: whoever enrolled it is long gone
        sitting_down(room) as bench,
        pytest.raises(Refusal, match="sealed"),
    ):
        bench.call(method, params[method.name])
    assert room.in_force() == before


def test_one_setting_is_changed_and_the_password_does_not_travel(room, cable, named_site, ana):
    with room.serving(room.kiosk()):
        enrol(room.bench, named_site, NORTH, Told())
        password = (room.etc / "broker.password").read_bytes()
        with sitting_down(room, ana) as bench:
            changes.set_config(bench, changes.parsed(("door.open_s=2.5", "camera.kind=usb")), Told())
            text = changes.config(bench)
            assert changes.picked(text, "door.open_s") == "open_s = 2.5\n"
            assert changes.picked(text, "broker").startswith('host = "127.0.0.1"')
            with pytest.raises(BenchFault, match="enrol it anew"):
                changes.set_config(bench, changes.parsed(("gate=south",)), Told())
            with pytest.raises(BenchFault, match="not set on this gate"):
                changes.picked(text, "door.colour")
    assert (room.etc / "broker.password").read_bytes() == password


def test_a_setting_that_the_gates_own_check_refuses_changes_nothing(room, cable, named_site, ana):
    with room.serving(room.kiosk()):
        enrol(room.bench, named_site, NORTH, Told())
    before = room.in_force()
    with (
        room.serving(room.kiosk(check=("false",))),
        sitting_down(room, ana) as bench,
        pytest.raises(Refusal, match="own check refuses"),
    ):
        changes.set_config(bench, {"door.open_s": 99.0}, Told())
    assert room.in_force() == before


def test_a_key_that_is_missing_damaged_or_locked_gets_its_own_sentence(tmp_path, ana):
    with pytest.raises(TechnicianFault, match="No such file"):
        Technician.open("ana", tmp_path / "none.pem", PASSPHRASE)
    Technician.make("bo", tmp_path / "bo.pem", PASSPHRASE)
    with pytest.raises(TechnicianFault, match="does not open with this passphrase"):
        Technician.open("bo", tmp_path / "bo.pem", b"wrong")
    with pytest.raises(TechnicianFault, match="never overwritten"):
        Technician.make("bo", tmp_path / "bo.pem", PASSPHRASE)


def test_broken_frames_change_nothing_on_a_sealed_kiosk(tmp_path):
    counts = fuzz(6000, tmp_path)
    assert counts["changed"] == counts["unreadable answers"] == 0
    assert counts["answered"] > 1000
