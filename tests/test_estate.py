"""A day at a small estate; `make estate` has five thousand people and twelve gates."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.estate.plan import DAY, IN, OUT, Plan
from tests.estate.site import Size
from tests.estate.stories import STORIES, day_of


def estate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.estate", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A day that was played, and what it printed."""
    folder = tmp_path_factory.mktemp("estate") / "day"
    done = estate("--people", 60, "--gates", 3, "--rendered", 0.1, "--keep", folder)
    if "mosquitto is not installed" in done.stderr:
        pytest.skip("mosquitto is not installed; `make test` installs it where it may")
    return folder, done


@pytest.mark.timeout(600)  # it waits for processes, however slow the machine
def test_the_day_on_record_is_the_day_as_it_was(kept) -> None:
    _, done = kept
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-4000:]
    assert "the day on record is the day as it was" in done.stdout


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("planted", "named"),
    [
        ("dropped", "lost: the office lacks"),
        ("doubled", "doubled: the office has"),
        ("admitted", "ought to be refused, revoked, and was admitted"),
        ("miscounted", "is not inside at midnight, and the office counts them"),
    ],
)
def test_a_planted_deviation_is_named_and_ends_with_1(kept, tmp_path, planted: str, named: str) -> None:
    folder, done = kept
    assert done.returncode == 0, "the day itself was not right; see the test before"
    copy = Path(shutil.copytree(folder, tmp_path / "day"))
    day = copy / "day.json"
    day.write_text(day.read_text().replace(str(folder), str(copy)))
    judged = estate("--again", copy, "--plant", planted)
    assert judged.returncode == 1, judged.stdout + judged.stderr
    assert named in judged.stdout


# --- the plan -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_plan_is_a_day(seed: int) -> None:
    plan = day_of(seed, 200, 3 + seed % 10, 0.05)
    assert plan == day_of(seed, 200, 3 + seed % 10, 0.05)
    assert all(0 <= one.at_s < DAY for one in plan.showings)
    assert all(people_alternate(plan, site) for site in plan.sites)
    assert {one.story for one in plan.showings} - {""} <= {
        story.__name__.replace("_", " ") for story in STORIES
    }


def people_alternate(plan: Plan, site: str) -> bool:
    """Nobody comes in twice without going out, or the other way round."""
    last: dict[str, str] = {}
    for one in sorted(plan.showings, key=lambda one: one.at_s):
        if one.who.site == site and one.way:
            if last.get(one.who.pass_id) == one.way:
                return False
            last[one.who.pass_id] = one.way
    return set(last.values()) <= {IN, OUT}


def test_a_days_clock_begins_at_midnight() -> None:
    for utc in (1795657200, 1795700000 // 60 * 60, 1795620000):
        size = Size("x", 1, 60, 3, 0.1, utc, 1)
        assert size.local(0).endswith("T00:00")
        assert -720 <= size.offset_min <= 720
