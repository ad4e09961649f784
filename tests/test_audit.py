"""The audit log, copied out and checked without the office: whatever was done to it is found (C21, C35)."""

import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from django.db import DatabaseError, connection, connections, transaction

from office.home import prepare, use

prepare()

from agent.core.keys import Alg, PublicKey  # noqa: E402
from office import registry  # noqa: E402
from office.audit import book, keeper  # noqa: E402
from office.cli import main  # noqa: E402
from office.keyring import Keyring, audit_key  # noqa: E402
from office.models import Act, ActSeal  # noqa: E402
from tests.core.builders import MALLORY  # noqa: E402

SITE = "harbour"
ACTS, EVERY = 80, 20


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = use(tmp_path_factory.mktemp("audit") / "home", create=True)
    Keyring.make(place.keys)
    registry.make_site(SITE, ["main"], 480)
    for n in range(1, ACTS + 1):
        keeper.append(("chen", "王芳")[n % 2], "approve", f"{n:016x}", f"because of {n}")
        if n % EVERY == 0:
            keeper.seal(place)
    yield place
    connections.close_all()


@pytest.fixture(scope="module")
def copied(home) -> list[bytes]:
    return [line.rstrip(b"\n") for line in keeper.copy(home)]


@pytest.fixture(scope="module")
def key(home) -> PublicKey:
    return audit_key(home.keys).public


def test_an_untouched_log_is_sound(home, copied, key):
    """C21."""
    found = book.check(copied, key)
    assert found.flaw == ""
    assert (found.acts, found.seals, found.last.n) == (ACTS, ACTS // EVERY, ACTS)
    assert book.check(copied).key == str(key)
    assert keeper.verify(home).flaw == ""


def test_a_copy_may_begin_at_a_seal(home, key):
    lines = [line.rstrip(b"\n") for line in keeper.copy(home, after=2 * EVERY + 3)]
    found = book.check(lines, key)
    assert (found.flaw, found.acts) == ("", ACTS - 2 * EVERY)
    forged = json.loads(lines[0])
    forged["after"]["before"] += 1
    assert "not signed" in book.check([book._json(forged), *lines[1:]], key).flaw


# --- a thousand ways ---------------------------------------------------------------------


def kinds_of(lines):
    return [next(iter({"seal", "end", "format"} & json.loads(line).keys()), "act") for line in lines]


def some(lines, rng, *kinds):
    return rng.choice([place for place, kind in enumerate(kinds_of(lines)) if kind in kinds])


def a_changed_byte(lines, rng):
    place = rng.randrange(len(lines))
    line = bytearray(lines[place])
    line[rng.randrange(len(line))] ^= 1 << rng.randrange(8)
    lines[place] = bytes(line)


def a_changed_word(lines, rng):
    place = some(lines, rng, "act")
    facts = json.loads(lines[place])
    facts[rng.choice(["who", "what", "subject", "why"])] = "nothing happened"
    lines[place] = book._json(facts)


def another_time(lines, rng):
    place = some(lines, rng, "act")
    facts = json.loads(lines[place])
    facts["at"] = "2020-01-01T00:00:00.000000Z"
    lines[place] = book._json(facts)


def a_deletion(lines, rng):
    del lines[rng.randrange(len(lines))]


def a_deletion_with_closed_ranks(lines, rng):
    place = some(lines, rng, "act")
    del lines[place]
    for later in range(place, len(lines)):
        facts = json.loads(lines[later])
        if "n" in facts:
            facts["n"] -= 1
        for kind in ("seal", "end"):
            if kind in facts:
                facts[kind]["n"] -= 1
        lines[later] = book._json(facts)


def a_deleted_seal(lines, rng):
    del lines[some(lines, rng, "seal")]


def a_reordering(lines, rng):
    one, other = rng.sample(range(1, len(lines) - 1), 2)
    lines[one], lines[other] = lines[other], lines[one]


def a_repetition(lines, rng):
    place = rng.randrange(len(lines))
    lines.insert(place, lines[place])


def an_insertion(lines, rng):
    place = some(lines, rng, "act")
    facts = json.loads(lines[place])
    facts["who"] = "mallory"
    lines.insert(place, book._json(facts))


def a_truncation(lines, rng):
    del lines[rng.randrange(len(lines) - 1) + 1 :]


def a_truncation_to_a_seal_that_poses_as_the_end(lines, rng):
    place = some(lines, rng, "seal")
    seal = json.loads(lines[place])["seal"]
    lines[place:] = [lines[place], book._json({"end": seal | {"before": seal["n"]}})]


def a_truncation_with_a_forged_end(lines, rng):
    place = some(lines, rng, "act")
    walk = book._Walk(None, None)
    for line in lines[: place + 1]:
        walk.take(line)
    end = book.Seal(walk._n, walk._sealed, 1, walk._head).by(MALLORY.sign, SITE, end=True)
    lines[place + 1 :] = [book.seal_line(end, end=True)]


def a_beheading(lines, rng):
    place = some(lines, rng, "act")
    del lines[1 : place + 1]


def all_rewritten_from_one_on(lines, rng):
    """A forger who chains again, and has no key."""
    place = some(lines, rng, "act")
    facts = json.loads(lines[place])
    facts["why"] = "quite another reason"
    lines[place] = book._json(facts)
    head = book.GENESIS
    for later, kind in enumerate(kinds_of(lines)):
        if kind == "act":
            head = book.extend(head, lines[later])
        elif kind in ("seal", "end"):
            told = json.loads(lines[later])
            told[kind]["head"] = head.hex()
            lines[later] = book._json(told)


def all_signed_with_another_key(lines, rng):
    own = PublicKey(Alg.ED25519, MALLORY.public_key().public_bytes_raw())
    for place, kind in enumerate(kinds_of(lines)):
        told = json.loads(lines[place])
        if kind == "format":
            told["key"] = str(own)
            lines[place] = book._json(told)
        elif kind in ("seal", "end"):
            seal = book.Seal.read(told[kind])
            lines[place] = book.seal_line(seal.by(MALLORY.sign, SITE, end=kind == "end"), end=kind == "end")


def another_site(lines, rng):
    lines[0] = lines[0].replace(b"harbour", b"orchard")


def a_changed_seal(lines, rng):
    place = some(lines, rng, "seal", "end")
    told = json.loads(lines[place])
    (kind,) = told
    told[kind] |= rng.choice(
        [
            {"at_ms": 1},
            {"sig": "00" * 64},
            {"head": "00" * 32},
            {"n": 7},
            {"before": 7},
            {"n": True},
            {"sig": 4},
        ]
    )
    lines[place] = book._json(told)


def spaces(lines, rng):
    place = rng.randrange(len(lines))
    lines[place] = lines[place].replace(b",", b", ", 1)


HARMS = [
    a_changed_byte,
    a_changed_word,
    another_time,
    a_deletion,
    a_deletion_with_closed_ranks,
    a_deleted_seal,
    a_reordering,
    a_repetition,
    an_insertion,
    a_truncation,
    a_truncation_to_a_seal_that_poses_as_the_end,
    a_truncation_with_a_forged_end,
    a_beheading,
    all_rewritten_from_one_on,
    all_signed_with_another_key,
    another_site,
    a_changed_seal,
    spaces,
]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
def test_of_a_thousand_alterations_each_is_found(copied, key, harm):
    """C21: edits, deletions, insertions, reorderings and truncations."""
    rng = random.Random(harm.__name__)
    for _ in range(56):  # 18 kinds: 1,008
        lines = list(copied)
        harm(lines, rng)
        assert lines != copied
        assert book.check(lines, key).flaw, harm.__name__


def test_an_older_true_copy_is_found_by_what_was_noted(home, copied, key):
    """C21: nothing in an older copy is wrong; only a later head tells."""
    older = book.check(copied, key)
    assert older.flaw == ""
    noted = older.last.n, older.last.head
    keeper.append("chen", "approve", "ff")
    later = [line.rstrip(b"\n") for line in keeper.copy(home)]
    assert book.check(later, key, noted).flaw == ""
    newest = book.check(later, key).last
    assert "older copy" in book.check(copied, key, (newest.n, newest.head)).flaw
    assert "another log" in book.check(later, key, (noted[0], bytes(32))).flaw


def test_what_is_no_copy_is_told_so(tmp_path, key):
    for data in (b"", b"\n", b"\0\xff" * 4096, b"{}", b"[" * 100_000, b"{" * 20_000 + b"\n" + b"{}"):
        (tmp_path / "copy").write_bytes(data)
        assert keeper.check_file(tmp_path / "copy", key, None).flaw


# --- where it stands ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    ["UPDATE {} SET n = n + 1000", "DELETE FROM {}", "UPDATE {} SET head = head"],
)
@pytest.mark.parametrize("table", [Act._meta.db_table, ActSeal._meta.db_table])
def test_the_database_refuses_to_change_it(home, harm, table):
    """C21."""
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(harm.format(table))


def test_whoever_goes_round_the_database_is_found(home):
    """C21: triggers can be dropped by whoever owns the file; the chain can't be mended."""
    if connection.vendor != "sqlite":
        pytest.skip("on PostgreSQL the triggers are the same, and so is the check")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER office_act_UPDATE")
        cursor.execute("UPDATE office_act SET who = 'nobody' WHERE n = 17")
        assert "is not what was sealed" in keeper.verify(home).flaw
        transaction.set_rollback(True)
    assert keeper.verify(home).flaw == ""


def said(*words: str):
    return CliRunner().invoke(main, list(words))


def test_an_auditor_checks_a_copy_without_the_office(home, tmp_path: Path):
    """C21: the command, from the copy to the verdict."""
    where = ("--home", str(home.path))
    noted = said("audit", "key", *where).stdout.strip()
    assert said("audit", "export", str(tmp_path / "copy.jsonl"), *where).exit_code == 0
    good = said("audit", "verify", str(tmp_path / "copy.jsonl"), "--key", noted)
    assert good.exit_code == 0, good.output
    assert "sound" in good.stderr
    again = said("audit", "verify", "--seen", good.stdout.strip(), *where)
    assert again.exit_code == 0, again.output
    text = (tmp_path / "copy.jsonl").read_text().replace("because of 17", "because of 18")
    (tmp_path / "copy.jsonl").write_text(text)
    bad = said("audit", "verify", str(tmp_path / "copy.jsonl"), "--key", noted)
    assert bad.exit_code == 1
    assert "not sound: line" in bad.stderr
    assert "Traceback" not in bad.output


def test_commands_are_in_the_log_with_their_names_and_not_their_words(home):
    """C35."""
    said("issue", "--kind", "visitor", "--person", "Zhao Min", "--zone", "main", "--by", "chen")
    words = ("--from", "2026-05-01", "--until", "2026-05-02", "--by", "chen", "--home", str(home.path))
    said("issue", "--kind", "visitor", "--person", "Zhao Min", "--zone", "main", *words)
    said("passes", "--home", str(home.path))
    issue, passes = Act.objects.filter(what="command", subject__in=["issue", "passes"]).order_by("n")
    assert "kind=visitor, person, zones" in issue.why
    assert passes.who.endswith("at a terminal")
    assert not Act.objects.filter(why__contains="Zhao").exists()
