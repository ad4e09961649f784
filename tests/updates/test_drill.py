"""The drill, short; `make drill-updates` kills 200 times."""

from pathlib import Path

import pytest

from tests.updates.drill import drill


@pytest.mark.timeout(300)  # it builds and installs, however slow the machine
def test_a_gate_that_was_switched_off_anywhere_has_a_whole_slot(tmp_path: Path) -> None:
    tally = drill(tmp_path, 3)
    assert tally.kills == 3
    assert tally.broken == 0, tally.found
