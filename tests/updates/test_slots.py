"""Two slots and the guard: which one runs, and that no cut between any two writes leaves none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_tools.device import guard
from firmware_tools.device.guard import GuardFault, Slots, State, watch

FORMS = {"journal": {"writes": 2, "reads": [2]}}


class PowerCut(BaseException):
    pass


def fill(root: Path, slot: str, version: str, floor: str = "0.0.0", stores=FORMS) -> None:
    """A slot that looks whole."""
    (root / slot / "venv" / "bin").mkdir(parents=True, exist_ok=True)
    python = root / slot / "venv" / "bin" / "python"
    python.unlink(missing_ok=True)
    python.symlink_to(sys.executable)
    (root / slot / "slot.json").write_text(json.dumps({"version": version, "floor": floor, "stores": stores}))


@pytest.fixture
def slots(tmp_path):
    """0.1.0 runs in a, 0.2.0 waits in b."""
    slots = Slots(tmp_path)
    fill(tmp_path, "a", "0.1.0")
    slots.begin()
    fill(tmp_path, "b", "0.2.0", floor="0.1.5")
    return slots


def runs(slots: Slots) -> str:
    return slots.about(slots.current())["version"]


def test_a_new_slot_is_tried_and_kept_and_its_floor_holds(slots):
    assert slots.switch(online=False) == "0.2.0"
    assert runs(slots) == "0.2.0"
    assert slots.begin() == "0.2.0 is on trial, start 1 of 3"
    assert slots.state().floor == "0.0.0", "not before it has proved well"
    assert slots.keep() == "0.2.0"
    assert slots.begin() == ""
    assert slots.state().floor == "0.1.5"
    with pytest.raises(GuardFault, match=r"0\.1\.0 is below the floor 0\.1\.5"):
        slots.go_back("asked to")
    assert runs(slots) == "0.2.0"


def test_three_starts_that_prove_nothing_bring_the_slot_before_back(slots):
    slots.switch(online=False)
    for _ in range(3):
        slots.begin()
        assert runs(slots) == "0.2.0"
    assert "left, and the slot before runs again: started 3 times" in slots.begin()
    assert runs(slots) == "0.1.0"
    assert slots.state().failed == {"0.2.0": "started 3 times and did not prove well"}
    assert slots.begin() == ""


def test_the_release_before_can_be_asked_back_after_it_was_kept(slots):
    fill(slots.root, "b", "0.2.0")
    slots.switch(online=False)
    slots.keep()
    assert slots.go_back("the lamp is green where it was red") == (
        "0.1.0 runs again: the lamp is green where it was red"
    )
    assert runs(slots) == "0.1.0"
    assert slots.state().history[-1]["what"] == "undone"


def test_while_a_slot_is_on_trial_the_other_is_not_touched(slots):
    slots.switch(online=False)
    with pytest.raises(GuardFault, match="the other slot is the way back"):
        slots.forget_other()
    with pytest.raises(GuardFault, match="wait until it is kept or left"):
        slots.switch(online=False)


def test_a_slot_that_is_not_whole_is_not_switched_to(slots):
    assert slots.forget_other() == "b"
    with pytest.raises(
        GuardFault, match="nothing whole in the other slot; run: menshen-firmware update stage"
    ):
        slots.switch(online=False)


def test_a_slot_that_can_not_read_what_the_other_wrote_is_not_gone_back_to(slots):
    fill(slots.root, "b", "0.2.0", stores={"journal": {"writes": 3, "reads": [2, 3]}})
    slots.switch(online=False)
    slots.keep()
    with pytest.raises(
        GuardFault, match=r"0\.1\.0 can't read form 3 of the journal, which 0\.2\.0 has written"
    ):
        slots.go_back("asked to")


def test_a_link_that_leads_nowhere_is_led_to_a_whole_slot(slots):
    (slots.root / "current").unlink()
    assert "the link led nowhere; 0.1.0 in slot a runs" in slots.begin()
    (slots.root / "a" / "slot.json").write_text("{}")
    assert "0.2.0 in slot b runs" in slots.begin()
    (slots.root / "b" / "venv" / "bin" / "python").unlink()
    with pytest.raises(GuardFault, match="found no whole slot"):
        slots.begin()


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b"null", b"[]", b'{"format": 2}', b'{"good": "c"}', b"\0" * 4096, b"[" * 60_000]
)
def test_a_lost_or_torn_state_is_read_off_the_link(slots, rubbish):
    (slots.root / "state.json").write_bytes(rubbish)
    assert slots.begin() == ""
    assert runs(slots) == "0.1.0"
    assert slots.state().good == "a"


def test_a_slot_with_nothing_to_go_back_to_goes_on(slots):
    slots.switch(online=False)
    (slots.root / "a" / "slot.json").unlink()
    with pytest.raises(GuardFault, match="and the slot before is damaged"):
        slots.go_back("no frames")
    assert runs(slots) == "0.2.0"
    assert slots.begin() == ""


# --- the power goes between any two changes ------------------------------------


def cut_at(slots: Slots, n: int):
    """A guard whose power goes at its n-th step; None when there are fewer."""
    steps = []

    def step(name):
        steps.append(name)
        if len(steps) == n:
            raise PowerCut(name)

    return Slots(slots.root, step)


def switched(guarded):
    guarded.switch(online=False)


def kept(guarded):
    guarded.keep()


def gone_back(guarded):
    guarded.go_back("no frames")


def begun(guarded):
    guarded.begin()


CUTS = [
    (prepare, deed, after)
    for prepare, deed, after in [
        ((), switched, {"0.1.0", "0.2.0"}),
        ((switched,), begun, {"0.2.0"}),
        ((switched, begun), kept, {"0.2.0"}),
        ((switched, begun), gone_back, {"0.1.0", "0.2.0"}),
        ((switched, begun, begun, begun), begun, {"0.1.0"}),
        ((switched, kept), gone_back, {"0.1.0", "0.2.0"}),
    ]
]


@pytest.mark.parametrize(("prepare", "deed", "after"), CUTS)
def test_a_cut_between_any_two_writes_leaves_a_whole_slot_and_a_way_on(slots, prepare, deed, after):
    fill(slots.root, "b", "0.2.0")
    for one in prepare:
        one(slots)
    before = {path: path.read_bytes() for path in slots.root.glob("*.json")}
    link = (slots.root / "current").readlink()
    for n in range(1, 40):
        for path, data in before.items():
            path.write_bytes(data)
        (slots.root / "current").unlink()
        (slots.root / "current").symlink_to(link)
        try:
            deed(cut_at(slots, n))
        except PowerCut:
            again = Slots(slots.root)
            again.begin()
            assert runs(again) in after
            state = again.state()
            assert state.trial is None or state.trial.slot == again.current()
            assert again.begin() is not None  # and it starts once more
            assert runs(again) in after | {"0.1.0"}
        else:
            assert n > 4, "it was cut at every step"
            return
    pytest.fail("it never ended")


# --- the health check ----------------------------------------------------------


def asks(tmp_path, text: str) -> list[str]:
    script = tmp_path / "check.py"
    script.write_text(text)
    return [sys.executable, str(script)]


def test_a_slot_that_is_well_is_kept(slots, tmp_path):
    slots.switch(online=False)
    assert watch(slots, asks(tmp_path, "print('well')"), 20, 0.01) is True
    assert slots.state().good == "b"


def test_a_slot_may_take_a_while_to_be_well(slots, tmp_path):
    slots.switch(online=True)
    count = tmp_path / "count"
    text = (
        f"import sys, pathlib; p = pathlib.Path({str(count)!r}); n = len(p.read_text()) if p.exists() else 0\n"
        "p.write_text('x' * (n + 1)); assert '--online' in sys.argv; print('no frames yet'); sys.exit(n < 3)"
    )
    assert watch(slots, asks(tmp_path, text), 30, 0.01) is True
    assert len(count.read_text()) == 4


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("print('camera: no frames'); raise SystemExit(1)", "camera: no frames"),
        ("import os; os.abort()", "ended with -6"),
        ("import time; time.sleep(60)", "its health check took longer than"),
        ("raise ImportError('libcamera')", "ImportError: libcamera"),
    ],
)
def test_a_slot_that_is_not_well_in_time_is_left(slots, tmp_path, text, why):
    slots.switch(online=False)
    assert watch(slots, asks(tmp_path, text), 1.0, 0.3) is False
    assert runs(slots) == "0.1.0"
    assert why in slots.state().failed["0.2.0"]


def test_a_slot_without_a_health_check_is_left(slots):
    slots.switch(online=False)
    assert watch(slots, ["/nonexistent/menshen-agent"], 0.2, 0.1) is False
    assert "does not start" in slots.state().failed["0.2.0"]


def test_a_slot_whose_other_processes_fall_is_left(slots, tmp_path):
    slots.switch(online=False)
    falls = watch(
        slots, asks(tmp_path, "print('well')"), 1.0, 0.2, fallen=lambda: "the link was started 4 times over"
    )
    assert falls is False
    assert slots.state().failed == {"0.2.0": "the link was started 4 times over"}


def test_a_slot_is_not_kept_before_it_has_run_for_a_while(slots, tmp_path):
    slots.switch(online=False)
    asked = []
    kept = watch(
        slots,
        asks(tmp_path, "print('well')"),
        30,
        0.01,
        least_s=1.0,
        fallen=lambda: str(asked.append(1) or ""),
    )
    assert kept is True
    assert len(asked) > 1


def test_without_a_trial_there_is_nothing_to_watch(slots, tmp_path):
    assert watch(slots, asks(tmp_path, ""), 1, 0.1) is None


# --- the guard as the base system has it ----------------------------------------


def guard_runs(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Alone, isolated from every environment, with the standard library only."""
    command = [sys.executable, "-I", "-S", guard.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_guard_needs_nothing_but_the_standard_library(slots, tmp_path):
    units = tmp_path / "run"
    units.mkdir()
    done = guard_runs("begin", "--slots", str(slots.root), "--units", str(units))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    slots.switch(online=False)
    done = guard_runs("begin", "--slots", str(slots.root), "--units", str(units))
    assert done.stdout == "guard: 0.2.0 is on trial, start 1 of 3\n"
    done = guard_runs(
        "watch", "--slots", str(slots.root), "--units", str(units), "--within", "0.3", "--every", "0.1"
    )
    assert "went back" in done.stdout
    assert runs(slots) == "0.1.0"
    done = guard_runs("begin", "--slots", str(tmp_path / "nothing"))
    assert done.returncode == 3
    assert done.stderr.startswith("guard: ")
    assert "Traceback" not in done.stderr


def test_the_running_slots_units_are_taken_and_its_guards_are_not(slots, tmp_path):
    units = tmp_path / "run"
    units.mkdir()
    (units / "other.service").write_text("somebody else's")
    for slot in "ab":
        (slots.root / slot / "units").mkdir()
        for name in ("menshen-gate.service", "menshen-guard-watch.service"):
            (slots.root / slot / "units" / name).write_text(f"of {slot}")
    (slots.root / "b" / "units" / "menshen-new.timer").write_text("of b")
    assert guard.adopt(slots, units) == 1
    slots.switch(online=False)
    assert guard.adopt(slots, units) == 2
    assert (units / "menshen-gate.service").read_text() == "of b"
    assert not (units / "menshen-guard-watch.service").exists()
    slots.go_back("no frames")
    assert guard.adopt(slots, units) == 2
    assert {path.name: path.read_text() for path in units.iterdir()} == {
        "menshen-gate.service": "of a",
        "other.service": "somebody else's",
    }


def test_units_that_the_base_system_has_as_well_are_left_to_it(slots, tmp_path):
    units, base = tmp_path / "run", tmp_path / "base"
    for folder in (units, base, slots.root / "a" / "units"):
        folder.mkdir()
    for name, text in (("menshen-gate.service", "same"), ("menshen-sync.service", "of a")):
        (slots.root / "a" / "units" / name).write_text(text)
        (base / name).write_text("same")
    assert guard.adopt(slots, units, base) == 1
    assert [path.name for path in units.iterdir()] == ["menshen-sync.service"]
    assert guard.adopt(slots, units, base) == 0
    (slots.root / "a" / "units" / "menshen-sync.service").write_text("same")
    assert guard.adopt(slots, units, base) == 1, "taken away again"
    assert list(units.iterdir()) == []


# --- a gate that keeps failing ----------------------------------------------------


def test_failures_count_within_half_an_hour_on_one_slot(tmp_path):
    failures = guard.Failures(tmp_path)
    assert [failures.note("a", at) for at in (1000.0, 2000.0, 2700.0)] == [1, 2, 3]
    assert guard.Failures(tmp_path).note("a", 2700.0) == 0, "whoever tries again is not told of it twice"
    assert failures.note("a", 2701.0) == 3, "one more is enough again"
    assert failures.note("b", 2702.0) == 1, "another slot has failures of its own"
    assert failures.note("a", 2703.0) == 1
    assert failures.note("a", 2703.0 + guard.FAILURES_WITHIN_S) == 1


@pytest.mark.parametrize(
    "rubbish", [b"", b"{", b"[]", b'{"slot": "a", "at": "x"}', b'{"slot": "a", "at": [9e9]}']
)
def test_what_was_counted_may_be_rubbish(tmp_path, rubbish):
    """9e9: a time that has not come, as of another start of the machine."""
    (tmp_path / "failed.json").write_bytes(rubbish)
    assert guard.Failures(tmp_path).note("a", 1000.0) == 1


def test_safe_mode_is_not_left_while_somebody_is_let_out(tmp_path, capsys):
    health = tmp_path / "health.json"
    doors = ["released", "opening", "locked"]

    def goes_on(_for_s=0.0):
        health.write_text(json.dumps({"mode": "safe", "door": doors.pop(0)}))

    goes_on()
    started = []
    assert guard.retry(health, goes_on, started.append) == "the gate is tried again"
    assert (doors, started) == ([], ["menshen-gate.service"])
    assert capsys.readouterr().out.splitlines() == [
        f"guard: the door is {door}; later" for door in ("released", "opening")
    ]


def test_history_is_numbered_and_bounded():
    state = State("a")
    for n in range(40):
        state = state.told("staged", f"0.0.{n}", "x" * 500)
    assert [one["n"] for one in state.history] == list(range(25, 41))
    assert State.from_bytes(state.to_bytes()) == state
    assert len(state.to_bytes()) < 8192


def test_whoever_watches_a_base_system_asks_the_guard_whether_the_machine_is_well(slots, tmp_path, capsys):
    config, agent = tmp_path / "gate.toml", slots.root / "current/venv/bin/menshen-agent"
    config.touch()
    agent.write_text(
        '#!/bin/sh\n[ "$4" != --online ] || { echo "the broker is not reached"; exit 1; }\necho well\n'
    )
    agent.chmod(0o755)
    words = ["well", "--slots", str(slots.root), "--config", str(config)]
    assert guard.main(words) == 0
    assert capsys.readouterr().out == "guard: all is well\n"
    assert guard.main([*words, "--online"]) == 3
    assert capsys.readouterr().err == "guard: the broker is not reached\n"
