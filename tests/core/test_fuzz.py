"""A few thousand damaged codes; `make fuzz-passes` tries a million."""

from agent.core.passes import parse
from benchmarks.fuzz_passes import Town, tried


def test_the_town_that_is_fuzzed_believes_its_own_codes():
    town = Town.built()
    assert all(town.accepts(text) for text in town.genuine)
    assert len({(type(parse(text)).__name__, parse(text).body[0]) for text in town.genuine}) == 5


def test_no_damaged_code_is_accepted_and_none_raises():
    tally = tried(4000, seed=2026)
    assert (tally.tried, tally.accepted, tally.raised) == (4000, [], [])
    assert min(tally.forms[form] for form in ("RotatingPass", "StaticPass", "HolderCertificate")) > 100, (
        "damage must not only be caught by the length"
    )
