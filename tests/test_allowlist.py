"""The list's layout: whoever was granted is found, nobody else is, and nothing damaged is believed."""

import contextlib
import dataclasses
import hashlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.core.allowlist import (
    MAX_SHARD_BITS,
    RECORD_BYTES,
    SHARDS_PER_INDEX,
    Allowlist,
    Freshness,
    Grant,
    Head,
    ListFault,
    PassKind,
    Status,
    find_record,
    pack,
    parts_of,
    shard_number,
)
from agent.core.keys import Alg, PublicKey
from agent.core.passback import Mode, Passback
from agent.core.passes import EPOCH_2025
from agent.core.schedule import Window, day_number

ids = st.binary(min_size=8, max_size=8)
holders = st.none() | st.builds(
    PublicKey, st.just(Alg.ED25519), st.binary(min_size=32, max_size=32)
) | st.builds(PublicKey, st.just(Alg.P256), st.binary(min_size=32, max_size=32), st.booleans())  # fmt: skip
times = st.tuples(st.integers(0, (1 << 24) - 1), st.integers(1, (1 << 16) - 1))


@st.composite
def grants(draw, pass_id=ids):
    """Grants on whole minutes, which a record holds exactly."""
    minutes, tens = draw(times)
    return Grant(
        pass_id=draw(pass_id),
        kind=draw(st.sampled_from(PassKind)),
        status=draw(st.sampled_from(Status)),
        holder=draw(holders),
        zones=draw(st.integers(0, 255)),
        schedule=draw(st.integers(0, 255)),
        not_before_utc=EPOCH_2025 + 60 * minutes,
        not_after_utc=EPOCH_2025 + 60 * minutes + 600 * tens,
        uses=draw(st.integers(0, 255)),
        duress=draw(st.booleans()),
    )


ALICE = Grant(
    b"alice..1", PassKind.RESIDENT, Status.LIVE, None, 1, 0, EPOCH_2025 + 60, EPOCH_2025 + 60 + 86400
)
HEAD = Head(
    site="harbour",
    number=7,
    issued_utc=1_900_000_000,
    soft_ttl_s=3600,
    zones=("main", "garage"),
    shard_bits=0,
    indexes=(bytes(32),),
    utc_offset_min=480,
    schedules={1: (Window(frozenset({1, 2, 3, 4, 5}), 480, 1080), Window(frozenset({6}), 0, 1440))},
    issuers={1: PublicKey(Alg.ED25519, bytes(range(32)))},
    neighbours={"quarry": (PublicKey(Alg.P256, bytes(range(32)), odd=True),)},
    ack_keys=(PublicKey(Alg.ED25519, bytes(32)),),
    gates={"north": PublicKey(Alg.ED25519, bytes(range(32)))},
    admit_when_dead=frozenset({PassKind.RESIDENT}),
    admit_when_clock_unknown=frozenset({PassKind.RESIDENT, PassKind.STAFF}),
    unlisted_static=True,
    kind_schedules={PassKind.STAFF: 1, PassKind.COURIER: 255},
    holidays=frozenset({day_number("2026-10-01"), day_number("1969-12-31")}),
    passback={PassKind.RESIDENT: Passback(Mode.TIMED, 5), PassKind.STAFF: Passback(Mode.SOFT)},
    unlisted_holders=False,
)


def listed(some, shard_bits=0, **head):
    indexes, parts = pack(some, shard_bits)
    return Allowlist(
        dataclasses.replace(HEAD, shard_bits=shard_bits, indexes=indexes, **head), 2e9, parts.get
    ), parts


# --- grants ------------------------------------------------------------------


@given(grants())
def test_a_grant_comes_back_from_its_record(grant):
    record = grant.to_bytes()
    assert len(record) == RECORD_BYTES
    assert Grant.from_bytes(record) == grant


@given(st.integers(EPOCH_2025, EPOCH_2025 + 10**8), st.integers(1, 366 * 86400))
@example(EPOCH_2025 + 59, 600)
def test_a_grant_never_begins_late_nor_ends_early(begins, lasts_s):
    kept = Grant.from_bytes(
        dataclasses.replace(ALICE, not_before_utc=begins, not_after_utc=begins + lasts_s).to_bytes()
    )
    assert begins - 60 < kept.not_before_utc <= begins
    assert begins + lasts_s <= kept.not_after_utc < begins + lasts_s + 660


@given(st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES))
def test_any_record_is_a_grant_or_a_fault(record):
    with contextlib.suppress(ListFault):
        assert Grant.from_bytes(record).pass_id == record[:8]


@pytest.mark.parametrize(
    "field",
    [
        {"pass_id": b"short"},
        {"pass_id": b"alice..1!", "holder": PublicKey(Alg.ED25519, bytes(31))},
        {"holder": PublicKey(Alg.ED25519, bytes(33))},
        {"holder": PublicKey(Alg.ED25519, bytes(32), odd=True)},
        {"zones": 256},
        {"schedule": -1},
        {"uses": 256},
        {"not_before_utc": EPOCH_2025 - 1},
        {"not_after_utc": EPOCH_2025},
        {"not_after_utc": EPOCH_2025 + 600 * (1 << 16) + 1000},
    ],
    ids=str,
)
def test_a_grant_that_no_record_can_hold_is_refused_when_packing(field):
    with pytest.raises((OverflowError, ValueError)):
        pack([dataclasses.replace(ALICE, **field)], 0)


# --- the list ----------------------------------------------------------------


@given(
    st.lists(grants(), max_size=60, unique_by=lambda grant: grant.pass_id),
    st.integers(0, MAX_SHARD_BITS),
    ids,
)
def test_whoever_was_granted_is_found_and_nobody_else(some, shard_bits, stranger):
    allowlist, _ = listed(some, shard_bits)
    assert all(allowlist.find(grant.pass_id) == grant for grant in some)
    if stranger not in {grant.pass_id for grant in some}:
        assert allowlist.find(stranger) is None


@given(st.lists(ids, min_size=1, unique=True), st.binary(max_size=9))
def test_the_search_finds_what_a_plain_look_finds(present, wanted):
    records = {pass_id: pass_id + bytes(RECORD_BYTES - 8) for pass_id in present}
    shard = b"".join(records[pass_id] for pass_id in sorted(present))
    assert find_record(shard, present[0]) == records[present[0]]
    if len(wanted) == 8:
        assert find_record(shard, wanted) == records.get(wanted)
    find_record(shard, wanted)
    find_record(shard[:-1], wanted)


@given(ids, st.integers(0, MAX_SHARD_BITS))
def test_every_pass_has_a_shard(pass_id, shard_bits):
    assert 0 <= shard_number(pass_id, shard_bits) < 1 << shard_bits


def test_two_grants_for_one_pass_are_refused():
    with pytest.raises(ValueError, match="granted twice"):
        pack([ALICE, dataclasses.replace(ALICE, zones=2)], 3)


@pytest.mark.parametrize("shard_bits", [-1, MAX_SHARD_BITS + 1, 10**9])
def test_more_shards_than_a_head_names_are_refused(shard_bits):
    with pytest.raises(ValueError, match="shard bits"):
        pack([ALICE], shard_bits)


def test_one_changed_grant_changes_one_shard_and_its_sub_index():
    many = [dataclasses.replace(ALICE, pass_id=n.to_bytes(8)) for n in range(5000)]
    _, before = listed(many, 8)
    allowlist, after = listed([dataclasses.replace(many[0], status=Status.REVOKED), *many[1:]], 8)
    assert len(after.keys() - before.keys()) == 2
    assert len(allowlist.head.indexes) == 256 // SHARDS_PER_INDEX
    assert set(parts_of(allowlist.head, after.__getitem__)) == after.keys()


@pytest.mark.parametrize(
    "harm", [lambda data: None, lambda data: data[:-1], lambda data: data + b"\0", lambda data: b""]
)
def test_a_part_that_is_lost_or_changed_is_never_believed(harm):
    whole, parts = listed([ALICE])
    for digest in parts:
        harmed = dataclasses.replace(
            whole, fetch=lambda asked, digest=digest: harm(parts[asked]) if asked == digest else parts[asked]
        )
        with pytest.raises(ListFault, match="missing or damaged in the store"):
            harmed.find(ALICE.pass_id)


def test_a_signed_sub_index_that_is_too_short_is_a_fault():
    short = b"\1" * 40
    head = dataclasses.replace(HEAD, shard_bits=6, indexes=(hashlib.sha256(short).digest(),))
    with pytest.raises(ListFault):
        Allowlist(head, 2e9, {head.indexes[0]: short}.get).find(b"somebody")


def test_a_list_grows_stale_and_then_dies():
    allowlist, _ = listed([ALICE])
    issued = HEAD.issued_utc
    assert allowlist.freshness(issued) is Freshness.FRESH
    assert allowlist.freshness(issued + 3600) is Freshness.STALE
    assert allowlist.freshness(2e9) is Freshness.DEAD
    renewed = dataclasses.replace(allowlist, renewed_utc=issued + 1000)
    assert renewed.freshness(issued + 4599) is Freshness.FRESH
    assert renewed.freshness(issued + 4600) is Freshness.STALE


# --- the head ----------------------------------------------------------------


def test_a_head_comes_back_from_its_bytes():
    assert Head.from_bytes(HEAD.to_bytes()) == HEAD


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(HEAD.to_bytes()))), json_values)
@example("issued", float("inf"))
@example("shard_bits", 10**12)
@example("shard_bits", -1)
@example("number", 0)
@example("schedules", {"1": [[["1"], 0, 10]]})
@example("schedules", {"1": [[[1], 10, 10]]})
@example("indexes", ["00"])
@example("site", "../harbour")
@example("zones", ["zone"] * 9)
@example("schedules", {"0": []})
@example("schedules", {"255": []})
@example("schedules", {"1": [[[9], 0, 10]]})
@example("schedules", {"1": [[[1], 1320, 360]]})
@example("schedules", {"1": [[[1], 1440, 360]]})
@example("schedules", {"1": [[[1], 0, 10]] * 65})
@example("kind_schedules", ["staff"])
@example("kind_schedules", {"staff": 256})
@example("kind_schedules", {"guest": 1})
@example("holidays", ["1 October"])
@example("holidays", [f"2026-{n // 28 + 1:02}-{n % 28 + 1:02}" for n in range(336)] * 2)
@example("gates", {"../north": f"ed25519:{1:064x}"})
@example("gates", {"north": "rsa:1"})
@example("passback", {"staff": []})
@example("passback", {"staff": ["timed", 0]})
@example("passback", {"staff": ["timed", True]})
@example("passback", {"staff": ["gone", 0]})
def test_any_field_of_a_head_may_be_nonsense_without_harm(field, value):
    fields = json.loads(HEAD.to_bytes()) | {field: value}
    with contextlib.suppress(ListFault):
        head = Head.from_bytes(json.dumps(fields).encode())
        assert Head.from_bytes(head.to_bytes()) == head
        Allowlist(head, 0.0, lambda _: None).freshness(2e9)


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b"9" * 5000)
@example(b"null")
def test_any_bytes_are_a_head_or_a_fault(data):
    with pytest.raises(ListFault):
        Head.from_bytes(data)


def test_a_head_of_a_later_format_is_refused():
    later = HEAD.to_bytes().replace(b'"format":1', b'"format":2')
    with pytest.raises(ListFault, match="found format 2"):
        Head.from_bytes(later)


def test_a_head_from_before_these_rules_has_none_of_them():
    fields = json.loads(HEAD.to_bytes())
    for name in ("kind_schedules", "holidays", "passback", "unlisted_holders", "gates"):
        del fields[name]
    head = Head.from_bytes(json.dumps(fields).encode())
    assert (head.kind_schedules, head.holidays, head.passback, head.gates) == ({}, frozenset(), {}, {})
    assert head.unlisted_holders
    assert head.passback_of(PassKind.STAFF) == Passback(Mode.OFF)


def test_a_night_may_go_across_midnight():
    fields = json.loads(HEAD.to_bytes()) | {"schedules": {"254": [[[5, 8], 1320, 360]]}}
    head = Head.from_bytes(json.dumps(fields).encode())
    assert head.schedules == {254: (Window(frozenset({5, 8}), 1320, 360),)}


def many_days(count: int) -> list[str]:
    return [f"20{26 + n // 336}-{n % 336 // 28 + 1:02}-{n % 28 + 1:02}" for n in range(count)]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("neighbours", {f"site-{n}": [f"ed25519:{n:064x}"] for n in range(17)}, "found 17 neighbours' keys"),
        ("neighbours", {"quarry": [f"ed25519:{n:064x}" for n in range(17)]}, "found 17 neighbours' keys"),
        ("holidays", many_days(401), "and 401 holidays"),
        ("gates", {f"gate-{n}": f"ed25519:{n:064x}" for n in range(257)}, "found 257 gates"),
        ("gates", {"North": f"ed25519:{1:064x}"}, "each with a name"),
        ("schedules", {"1": [[[1], 0, 10]] * 65}, "more than 64 windows"),
        ("schedules", {"255": []}, "wanted numbers from 1 to 254"),
        ("passback", {"staff": ["timed", 0]}, "0 minutes for passback timed"),
    ],
)
def test_what_costs_a_gate_time_is_bounded_in_the_head(field, value, said):
    fields = json.loads(HEAD.to_bytes()) | {field: value}
    with pytest.raises(ListFault, match=said):
        Head.from_bytes(json.dumps(fields).encode())
