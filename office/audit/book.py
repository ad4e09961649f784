"""The audit log as lines: how an act is hashed, what a seal signs, and how a copy is checked.

Each act is one line of JSON. `h = SHA-256(h_before || line)`, from 32 zero
bytes, as in a gate's journal. A seal is the office's signature over a number,
the head there, the number of the seal before, and when it was made. A copy
begins with a heading, ends with an end of its own signature, and has between
them acts and seals in their order; so whatever is edited, taken out, put in,
moved or cut off is found. Only an older true copy looks whole: it says of
when it is, and whoever noted a later head can tell.

This module knows lines. It refuses to know the database and the private key.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from agent.core.chain import GENESIS, extend
from agent.core.keys import Alg, PublicKey, sig_structure, verify

FORMAT: Final = "menshen/audit/1"
MAX_LINE_BYTES: Final = 16_384
_HEAD: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_FIELDS: Final = {"at": str, "n": int, "subject": str, "what": str, "who": str, "why": str}
_MOST: Final = 1 << 53


class Deed(NamedTuple):
    """What an act says: who did what to which subject, and why."""

    who: str
    what: str
    subject: str = ""
    why: str = ""


def act_line(n: int, at: datetime, deed: Deed) -> bytes:
    """An act as it is hashed; at is UTC, to the microsecond."""
    moment = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    return _json({"at": moment, "n": n, **deed._asdict()})


@dataclass(frozen=True, slots=True)
class Seal:
    """The office's word that its log stood so.

    Args:
        n: the last act under it; 0 is none.
        before: the n of the seal before; 0 is none.
        at_ms: milliseconds since 1970 by the office's clock.
        head: 32 bytes.
    """

    n: int
    before: int
    at_ms: int
    head: bytes
    signature: bytes = b""

    def signed(self, site: str, *, end: bool = False) -> bytes:
        """What is signed; the end of a copy has a context of its own, so that no seal can pose as one."""
        payload = b"".join((*(one.to_bytes(8) for one in (self.n, self.before, self.at_ms)), self.head))
        return sig_structure(Alg.ED25519, f"menshen/1/audit{'-end' if end else ''}/{site}", payload)

    def by(self, sign: Callable[[bytes], bytes], site: str, *, end: bool = False) -> "Seal":
        """The same, signed."""
        return replace(self, signature=sign(self.signed(site, end=end)))

    def facts(self) -> dict[str, Any]:
        """As it stands in a copy."""
        return {
            "n": self.n,
            "before": self.before,
            "at_ms": self.at_ms,
            "head": self.head.hex(),
            "sig": self.signature.hex(),
        }

    @classmethod
    def read(cls, facts: Any) -> "Seal":
        """The reverse of facts().

        Raises:
            ValueError: it is none.
        """
        if not isinstance(facts, dict) or facts.keys() != {"n", "before", "at_ms", "head", "sig"}:
            raise ValueError("not a seal")
        n, before, at_ms = (facts[name] for name in ("n", "before", "at_ms"))
        if not all(type(one) is int and 0 <= one < _MOST for one in (n, before, at_ms)):
            raise ValueError("a seal whose numbers are none")
        head, signature = facts["head"], facts["sig"]
        if not (isinstance(head, str) and _HEAD.fullmatch(head)):
            raise ValueError("a seal without a head")
        if not (isinstance(signature, str) and _SIGNATURE.fullmatch(signature)):
            raise ValueError("a seal without a signature")
        return cls(n, before, at_ms, bytes.fromhex(head), bytes.fromhex(signature))


def heading(site: str, key: PublicKey, begin: Seal | None) -> bytes:
    """The first line of a copy.

    Args:
        begin: the seal after which it begins; None for the beginning of the log.
    """
    return _json({"format": FORMAT, "site": site, "key": str(key), "after": begin.facts() if begin else None})


def seal_line(seal: Seal, *, end: bool = False) -> bytes:
    """A seal, or the end, as a line of a copy."""
    return _json({"end" if end else "seal": seal.facts()})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    Args:
        acts, seals: how many are good.
        last: the end of the copy; where it is sound, what an auditor notes down.
        flaw: the first thing that is wrong, with its line; empty if nothing is.
    """

    site: str
    key: str
    acts: int
    seals: int
    last: Seal | None
    flaw: str


class _Broken(Exception):
    """Ends the check at its first flaw."""


def check(
    lines: Iterable[bytes], key: PublicKey | None = None, seen: tuple[int, bytes] | None = None
) -> Verdict:
    """Check a copy from its first line to its last.

    Args:
        lines: without their newlines.
        key: the office's audit key as the auditor noted it; None believes the copy's own heading.
        seen: number and head that were noted at an earlier check of the same log.
    """
    walk = _Walk(key, seen)
    try:
        for line in lines:
            walk.take(line)
        walk.finish()
    except _Broken as broken:
        return walk.verdict(f"line {walk.lines}: {broken}")
    return walk.verdict("")


class _Walk:
    """How far a check has come."""

    def __init__(self, key: PublicKey | None, seen: tuple[int, bytes] | None) -> None:
        self.lines = 0
        self._noted, self._key, self._seen = key, key, seen
        self._site = ""
        self._n, self._head, self._sealed = 0, GENESIS, 0
        self._acts = self._seals = 0
        self._first = 0
        self._begun = False
        self._end: Seal | None = None

    def verdict(self, flaw: str) -> Verdict:
        return Verdict(
            self._site, str(self._key or ""), self._acts, self._seals, None if flaw else self._end, flaw
        )

    def take(self, line: bytes) -> None:
        self.lines += 1
        if self._end:
            raise _Broken("something follows the end")
        facts = self._parsed(line)
        if not self._begun:
            self._begin(facts)
        elif facts.keys() == {"seal"}:
            self._seal(_seal(facts["seal"]))
        elif facts.keys() == {"end"}:
            end = _seal(facts["end"])
            self._holds(end, end=True)
            self._end = end
        else:
            self._act(line, facts)

    def finish(self) -> None:
        if self._end is None:
            raise _Broken("the copy ends before its end: acts may be missing there")
        if self._seen and not self._first <= self._seen[0] <= self._n:
            raise _Broken(
                f"act {self._seen[0]} was seen before, and this copy has {self._first + 1} to {self._n}: an older copy?"
            )

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            facts = json.loads(line) if len(line) <= MAX_LINE_BYTES else None
        except (ValueError, RecursionError):
            facts = None
        # One text for one content: what is signed elsewhere than in hashed lines can't be written differently.
        if not isinstance(facts, dict) or _json(facts) != line:
            raise _Broken("not a line of an audit log")
        return facts

    def _begin(self, facts: dict[str, Any]) -> None:
        self._begun = True
        site, after = facts.get("site"), facts.get("after")
        is_heading = facts.keys() == {"format", "site", "key", "after"} and isinstance(site, str)
        if not is_heading or facts["format"] != FORMAT:
            raise _Broken(f"not a copy of an audit log of form {FORMAT}")
        try:
            named = PublicKey.parse(str(facts.get("key")))
        except ValueError as fault:
            raise _Broken(f"the heading names no key: {fault}") from fault
        if self._noted and named != self._noted:
            raise _Broken(f"the heading names key {named}, wanted {self._noted}: another office's, or forged")
        self._site, self._key = str(site), named
        if after is not None:
            begin = _seal(after)
            self._n, self._head, self._sealed = begin.n, begin.head, begin.before
            self._holds(begin)
            self._sealed = self._first = begin.n
        self._look()

    def _act(self, line: bytes, facts: dict[str, Any]) -> None:
        if facts.keys() != _FIELDS.keys() or any(
            type(facts[name]) is not kind for name, kind in _FIELDS.items()
        ):
            raise _Broken("not an act")
        if facts["n"] != self._n + 1:
            raise _Broken(f"found act {facts['n']}, wanted {self._n + 1}")
        self._n, self._head = self._n + 1, extend(self._head, line)
        self._acts += 1
        self._look()

    def _look(self) -> None:
        if self._seen and self._seen[0] == self._n and self._seen[1] != self._head:
            raise _Broken(f"up to act {self._n} this is another log than was seen before")

    def _seal(self, seal: Seal) -> None:
        self._holds(seal)
        self._sealed = seal.n
        self._seals += 1

    def _holds(self, seal: Seal, *, end: bool = False) -> None:
        if seal.n != self._n:
            raise _Broken(f"a seal over act {seal.n} stands after act {self._n}")
        if seal.before != self._sealed:
            raise _Broken(
                f"the seal before is one over act {seal.before}, found {self._sealed}: one is missing"
            )
        if seal.head != self._head:
            raise _Broken(f"what stands up to act {seal.n} is not what was sealed")
        if self._key is None or not verify(self._key, seal.signature, seal.signed(self._site, end=end)):
            raise _Broken(f"the seal over act {seal.n} is not signed by {self._key}")


def _seal(facts: Any) -> Seal:
    try:
        return Seal.read(facts)
    except ValueError as fault:
        raise _Broken(str(fault)) from fault


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without newlines, also where the last has none; a line without end is cut when it is too long."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE_BYTES:
            break
    if rest:
        yield rest


def _json(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
