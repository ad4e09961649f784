"""Whom alerts reach (C34): each matter once, once more when it is nobody's, and again when it comes up again."""

import json
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from office.home import prepare

prepare()

from office import home as homes  # noqa: E402
from office import registry  # noqa: E402
from office.alerts import raise_alert  # noqa: E402
from office.escalation import Switchboard, ring  # noqa: E402
from office.keyring import Keyring  # noqa: E402
from office.web import alerting  # noqa: E402
from tests.small_office import eventually  # noqa: E402

NOON = datetime.fromisoformat("2026-03-02T12:00:00+00:00")


@pytest.fixture
def office(tmp_path):
    home = homes.use(tmp_path / "office", create=True)
    registry.make_site("harbour", ["main"], 0)
    Keyring.make(home.keys)
    yield home
    connections.close_all()


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def rung(board: Switchboard, minutes: float) -> list[tuple[str, bool]]:
    calls = board.calls(after(minutes))
    for call in calls:
        board.told(call, after(minutes))
    return [(call.alert.kind, call.late) for call in calls]


def test_c34_an_alert_that_nobody_takes_on_is_told_once_more_and_then_rests(office):
    board = Switchboard(timedelta(minutes=15))
    raise_alert("door.forced", "north", "12:00", NOON)
    assert [rung(board, minute) for minute in (0, 1, 14, 15, 16, 600)] == [
        [("door.forced", False)],
        [],
        [],
        [("door.forced", True)],
        [],
        [],
    ]
    raise_alert("door.forced", "north", "12:20", after(20))
    assert rung(board, 20) == [], "the same matter, still nobody's"


def test_an_alert_that_is_taken_on_is_told_no_more_until_it_comes_up_again(office):
    board = Switchboard(timedelta(minutes=15))
    raise_alert("tamper.on", "north", "12:00", NOON)
    (call,) = board.calls(NOON)
    board.told(call, NOON)
    alerting.acknowledge(call.alert, "wang")
    assert rung(board, 60) == []
    alerting.close(call.alert, "wang", "a painter")
    assert rung(board, 61) == []
    raise_alert("tamper.on", "north", "13:02", after(62))
    assert rung(board, 62) == [("tamper.on", False)]


def test_what_was_not_told_stays_due(office):
    board = Switchboard(timedelta(minutes=15))
    raise_alert("fire.on", "north", "12:00", NOON)
    assert len(board.calls(NOON)) == len(board.calls(after(1))) == 1


def test_a_program_gets_each_alert_as_a_line_and_its_failure_is_said(office, tmp_path):
    raise_alert("pass.duress", "north", "12:00: pass 00c0ffee00c0ffee", NOON, "00c0ffee00c0ffee")
    (call,) = Switchboard(timedelta(minutes=15)).calls(NOON)
    program = tmp_path / "ring"
    program.write_text(f"#!/bin/sh\ncat >{tmp_path / 'heard'}\n")
    program.chmod(0o755)
    assert ring(program, call) is None
    heard = json.loads((tmp_path / "heard").read_text())
    assert (heard["alert"], heard["gate"], heard["late"]) == ("pass.duress", "north", False)
    program.write_text("#!/bin/sh\necho 'no line' >&2; exit 3\n")
    assert ring(program, call) == "exit code 3: no line"
    program.unlink()
    assert "No such file" in ring(program, call)


def test_the_command_tells_what_comes_up_while_it_watches(office):
    watching = subprocess.Popen(
        [sys.executable, "-m", "office.cli", "alerts", "--follow", "--home", str(office.path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        raise_alert("guessing", "north", "12:00", timezone.now())
        line = json.loads(watching.stdout.readline())
        assert (line["alert"], line["late"]) == ("guessing", False)
    finally:
        watching.terminate()
        eventually(lambda: watching.poll() is not None)
        watching.stdout.close()
    assert watching.returncode == 0
