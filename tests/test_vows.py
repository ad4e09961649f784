"""What was ordered until further notice outlives a restart; a spoilt file locks nobody out."""

import pytest

from agent.core.rules import Vows
from agent.stores.vows import keep, recall


@pytest.mark.parametrize("vows", [Vows(), Vows(lockdown=True), Vows(maintenance=True), Vows(True, True)])
def test_what_is_kept_is_recalled(tmp_path, vows):
    keep(tmp_path / "vows.json", vows)
    assert recall(tmp_path / "vows.json") == (vows, "")
    assert [path.name for path in tmp_path.iterdir()] == ["vows.json"]


def test_a_new_gate_has_vowed_nothing(tmp_path):
    assert recall(tmp_path / "vows.json") == (Vows(), "")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "[" * 2000, '{"lockdown": true}', "\x00", "9" * 5000]
)
def test_a_spoilt_file_vows_nothing_and_is_told(tmp_path, text):
    path = tmp_path / "vows.json"
    path.write_text(text)
    vows, fault = recall(path)
    assert vows == Vows()
    assert "no lockdown is remembered" in fault


def test_only_true_is_a_vow(tmp_path):
    path = tmp_path / "vows.json"
    path.write_text('{"lockdown": "yes", "maintenance": 1}')
    assert recall(path) == (Vows(), "")
