"""Noise, pulled cables, power cuts: enrolled or untouched, never half."""

import contextlib
import os
import shutil
import sys
import threading
from hashlib import sha256

import pytest

from provisioning.cable import Cable, Unplugged, noise
from provisioning.enrol import enrol

from .workbench import ANNOUNCED, NORTH, Room, Told, ask, greeted, put, stage


@pytest.mark.parametrize("seed", range(2))
def test_noise_ends_in_the_right_enrolment(room, site, seed):
    with (
        contextlib.closing(Cable(room.near, room.far, noise(0.0008, seed))),
        room.serving(room.kiosk()),
    ):
        enrol(room.bench, site, NORTH, Told())
    assert room.in_force() == room.expected(site)


def test_a_cable_pulled_at_every_step_leaves_an_enrolment_or_none(tmp_path, site):
    """Each run pulls the cable once, one piece of traffic later than the last, until none is left."""
    for pull_at in range(1, 100):
        folder = tmp_path / str(pull_at)
        folder.mkdir()
        room = Room(folder)
        begun, passed, seen = threading.Event(), 0, []

        def sit_down(room=room, begun=begun):
            bench = room.bench()
            begun.set()
            return bench

        def carry(data, *, room=room, begun=begun, seen=seen, pull_at=pull_at):
            nonlocal passed
            passed += begun.is_set()
            if passed == pull_at and not seen:
                seen.append(room.in_force())
                raise Unplugged
            return data

        with (
            contextlib.closing(Cable(room.near, room.far, carry, back_after_s=0.05)),
            room.serving(room.kiosk()),
        ):
            enrol(sit_down, site, NORTH, Told())
        whole = room.expected(site)
        assert room.in_force() == whole
        assert all(found in ({}, whole) for found in seen)
        if not seen:
            return
    pytest.fail("an enrolment took more than a hundred pieces of traffic")


def test_a_kiosk_switched_off_at_any_chunk_goes_on_where_it_was(room, site):
    whole = room.expected(site)
    kiosk = greeted(room.kiosk())
    facts = {name: {"size": len(data), "sha256": sha256(data).hexdigest()} for name, data in whole.items()}
    for number in range(100):
        begun = ask(kiosk, "enrol.begin", f"b{number}", **ANNOUNCED, files=facts).result
        lacking = next((name for name in whole if begun["have"][name] < len(whole[name])), None)
        if lacking is None:
            break
        have = begun["have"][lacking]
        put(kiosk, begun["transfer"], lacking, have, whole[lacking][have : have + 100])
        assert room.in_force() == {}
        kiosk = greeted(room.kiosk())  # the old one is gone, without a word
    done = ask(kiosk, "enrol.commit", "c", transfer=begun["transfer"])
    assert done.result["gate"] == "north"
    assert room.in_force() == whole


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only touches files, then ends
def test_a_device_that_dies_at_any_file_operation_of_a_commit_is_enrolled_or_untouched(room, site):
    """A forked kiosk dies at its n-th look at the file system, for every n; the next one finishes."""
    whole = room.expected(site)
    outcomes = []
    for dies_at in range(1, 400):
        for old in ("etc", "state"):
            shutil.rmtree(room.folder / old)
            (room.folder / old).mkdir()
        transfer = stage(greeted(room.kiosk()), whole)
        child = os.fork()
        if child == 0:
            die_at_operation(dies_at)
            kiosk = greeted(room.kiosk())
            stage(kiosk, whole)
            ask(kiosk, "enrol.commit", "c", transfer=transfer)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found = room.in_force()
        assert found in ({}, whole)
        outcomes.append(bool(found))
        kiosk = greeted(room.kiosk())
        if not found:
            stage(kiosk, whole)
        assert ask(kiosk, "enrol.commit", "c", transfer=transfer).result["gate"] == "north"
        assert room.in_force() == whole
        if status == 0:
            break
    assert status == 0
    assert outcomes == sorted(outcomes)  # one moment, and no way back
    assert {True, False} == set(outcomes)


def die_at_operation(number):
    """From now on this process ends, at once, at its number-th operation on files."""
    left = number

    def hook(event, _):
        nonlocal left
        if event == "open" or event.startswith("os."):
            left -= 1
            if left == 0:
                os._exit(9)

    sys.addaudithook(hook)


def test_a_byte_that_went_wrong_on_the_card_is_found_and_sent_again(room, cable, site):
    whole = room.expected(site)
    transfer = None

    class Gremlin(Told):
        def sent(self, done, total):
            nonlocal transfer
            if done == total and transfer is None:
                (transfer,) = (room.etc / "enrolments").iterdir()
                root = transfer / "root.json"
                root.write_bytes(b"?" + root.read_bytes()[1:])

    gremlin = Gremlin()
    with room.serving(room.kiosk()):
        enrol(room.bench, site, NORTH, gremlin)
    assert "beginning again: root.json is not what was announced; send it again" in gremlin.words
    assert room.in_force() == whole
