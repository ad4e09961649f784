"""A machine's first start: itself, once, however often the power goes."""

import json
import os
from pathlib import Path

import pytest

from provisioning import identity
from provisioning.first_boot import NOTE, FirstBootFault, accounts_with_a_password, first_boot

SHADOW = """\
root:*:20000:0:99999:7:::
daemon:*:20000:0:99999:7:::
pi::20000:0:99999:7:::
admin:$y$j9T$abc$def:20000:0:99999:7:::
menshen-gate:!*:20000::::::
broken line
"""


class PowerCut(BaseException):
    pass


@pytest.fixture
def etc(tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (etc / "shadow").write_text(SHADOW)
    return etc


@pytest.fixture
def state(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    return state


def lock(etc: Path):
    """As usermod --lock does."""

    def locked(name: str) -> None:
        text = (etc / "shadow").read_text()
        (etc / "shadow").write_text(text.replace(f"\n{name}:", f"\n{name}:!"))

    return locked


def test_a_machine_gets_a_number_a_key_and_no_password(state, etc):
    made = first_boot(state, etc, lock(etc))
    assert made.device_id == identity.device_id(state)
    assert made.journal_key == str(identity.journal_key(state))
    assert made.locked == ["pi", "admin"]
    assert accounts_with_a_password(etc / "shadow") == []
    assert json.loads((state / NOTE).read_text())["device_id"] == made.device_id
    assert first_boot(state, etc, lock(etc)) is None, "once"


def test_two_machines_of_one_image_are_two_machines(tmp_path, etc):
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made.append(first_boot(tmp_path / name, etc, lock(etc)))
    assert made[0].device_id != made[1].device_id
    assert made[0].journal_key != made[1].journal_key


def test_a_power_cut_between_any_two_steps_costs_nothing(state, etc):
    """After each cut the next start goes on, and what was made already is kept."""
    seen: dict[str, str] = {}
    for n in range(1, 20):
        steps = []

        def step(name, steps=steps, n=n):
            steps.append(name)
            if len(steps) == n:
                raise PowerCut(name)

        try:
            made = first_boot(state, etc, lock(etc), step)
        except PowerCut:
            assert not (state / NOTE).exists()
            now = {
                str(path.relative_to(state)): path.read_text() for path in state.rglob("*") if path.is_file()
            }
            assert seen.items() <= now.items(), "nothing that was made is made again"
            seen = now
        else:
            assert n > 3
            assert made.journal_key == str(identity.journal_key(state))
            assert accounts_with_a_password(etc / "shadow") == []
            return
    pytest.fail("it never ended")


def test_an_image_that_brought_its_own_machine_id_is_refused(state, etc):
    (etc / "machine-id").write_text("uninitialized\n")
    with pytest.raises(FirstBootFault, match=r"found 'uninitialized' in .*; run systemd-machine-id-setup"):
        first_boot(state, etc, lock(etc))
    assert identity.journal_key(state) is None
    assert not (state / NOTE).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_partition_that_takes_nothing_is_named(state, etc):
    state.chmod(0o500)
    with pytest.raises(FirstBootFault, match="look at the data partition"):
        first_boot(state, etc, lock(etc))


def test_a_data_partition_that_is_not_there_is_named(tmp_path, etc):
    with pytest.raises(FirstBootFault, match="look at the data partition"):
        first_boot(tmp_path / "state", etc, lock(etc))


def test_a_password_that_can_not_be_locked_stops_it(state, etc):
    def refuse(name):
        raise FirstBootFault(f"the password of {name} can't be locked: no such file")

    with pytest.raises(FirstBootFault, match="the password of pi"):
        first_boot(state, etc, refuse)
    assert not (state / NOTE).exists()
