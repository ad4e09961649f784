"""What the rig's machines are made of, for tests: had, or told why not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.hand import RigFault
from tests.rig.machine import why_not


def had(make: Callable[[], Path]) -> Path:
    """What `make` makes; skips with a sentence where the rig can't be had, fails with one where it can't be made."""
    if why := why_not():
        pytest.skip(why)
    try:
        return make()
    except RigFault as fault:
        pytest.fail(str(fault))
