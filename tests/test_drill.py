"""The fire drill, short; `make drill` has five hundred rounds."""

import subprocess
import sys

import pytest


@pytest.mark.timeout(300)  # it waits for events, however slow the machine
def test_whatever_is_killed_nothing_is_lost_and_nothing_kept_twice() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.drill", "--rounds", "12"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    if "PostgreSQL is not installed" in done.stderr:  # then on SQLite, with one part fewer to kill
        done = subprocess.run(
            [sys.executable, "-m", "tests.drill", "--rounds", "12", "--database", "sqlite"],
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "nothing lost" in done.stdout
