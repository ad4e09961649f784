"""The page from which another engineer would write a verifier, taken at its word."""

import json
import re
from pathlib import Path

import pytest

from agent.core.decision import Reason
from tests.core.builders import ALICE, MALLORY, public, rotating, static

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pass-format.md").read_text()
ROTATING, STATIC, CERTIFICATE = (
    json.loads((ROOT / "tests" / "vectors" / f"{kind}.json").read_text())
    for kind in ("rotating", "static", "certificate")
)


@pytest.fixture(scope="module")
def is_real():
    """The page's own verifier; it knows nothing of ours."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert "agent" not in source
    module: dict = {}
    exec(compile(source, "docs/pass-format.md", "exec"), module)
    return module["is_real"]


@pytest.mark.parametrize("vector", ROTATING + STATIC + CERTIFICATE, ids=lambda vector: vector["name"])
def test_the_pages_verifier_agrees_with_the_published_vectors(is_real, vector):
    assert is_real(vector["code"], vector["public_key"], vector["site"])
    assert not is_real(vector["code"], vector["public_key"], "somewhere-else")
    assert not is_real(vector["code"], str(public(MALLORY)), vector["site"])
    assert not is_real(vector["code"][:-1], vector["public_key"], vector["site"])


@pytest.mark.parametrize("site", ["x", "a" * 13, "a" * 14, "a" * 32])
def test_the_pages_verifier_knows_the_names_of_small_and_large_sites(is_real, site):
    assert is_real(rotating("alice", ALICE, site=site), str(public(ALICE)), site)


@pytest.mark.parametrize("text", ["", "M1", "M1A", "poster", "M1" + "0" * 200, static("visitor")])
def test_the_pages_verifier_refuses_what_is_no_code_of_this_key(is_real, text):
    assert not is_real(text, str(public(ALICE)), "willow-court")


def test_the_worked_example_is_the_first_vector():
    plain = re.sub(r"\s", "", PAGE)
    for field in ("code", "signature", "to_be_signed", "public_key"):
        assert re.sub(r"\s", "", ROTATING[0][field]) in plain
    assert ROTATING[0]["code"] in PAGE
    assert STATIC[0]["body"] in PAGE
    assert f"`{CERTIFICATE[0]['body'][:4]}`" in PAGE


def test_every_reason_has_its_place_in_the_order():
    order = PAGE[PAGE.index("## What to check") :]
    assert {reason for reason in Reason if f"`{reason}`" not in order} == set()
