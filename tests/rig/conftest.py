"""The rig's machine, booted once for each file of tests."""

import os
from pathlib import Path

import pytest

from tests.rig.machine import Machine, build
from tests.rig.parts import had


@pytest.fixture(scope="session")
def kernel() -> Path:
    """What the machine is made of; skips with a sentence where it can't be had."""
    return had(build)


@pytest.fixture(scope="module")
def machine(kernel, tmp_path_factory):
    """A machine, switched on."""
    machine = Machine(tmp_path_factory.mktemp("machine"), kernel)
    machine.start()
    yield machine
    machine.cut()
    if keep := os.environ.get("MENSHEN_RIG_CONSOLE"):
        Path(keep).write_text(machine.console)
