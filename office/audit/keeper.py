"""The audit log in the database: acts are appended and sealed here, and copied out for whoever checks them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.db import connection, transaction

from agent.core.chain import GENESIS, extend
from agent.core.keys import PublicKey
from office.audit import book
from office.audit.book import Deed, Seal
from office.faults import OfficeFault
from office.home import Home
from office.keyring import OnlineKey, audit_key
from office.models import Act, ActSeal, Site

_CHAINING: Final = 0x61756469740A  # an advisory lock's number that is nobody else's
_CHUNK: Final = 2000
_MOST_WHO, _MOST_WHAT, _MOST_SUBJECT, _MOST_WHY = 100, 32, 64, 500


def append(who: str, what: str, subject: str = "", why: str = "") -> Act:
    """Add an act; belongs into the transaction of what was done, near its end.

    From here to the commit nobody else appends: what is in the database is in the chain.
    """
    with transaction.atomic():
        _alone()
        last = Act.objects.order_by("-n").values_list("n", "head").first()
        n, head = last or (0, GENESIS)
        at = datetime.now(UTC)
        deed = Deed(
            who[:_MOST_WHO], what[:_MOST_WHAT], _plain(subject, _MOST_SUBJECT), _plain(why, _MOST_WHY)
        )
        head = extend(bytes(head), book.act_line(n + 1, at, deed))
        return Act.objects.create(n=n + 1, at=at, head=head, **deed._asdict())


def _alone() -> None:
    """One appender at a time; on SQLite the transaction is alone already."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAINING])


def _plain(text: str, most: int) -> str:
    """What every database and JSON can keep: no NUL, no half of a character."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:most]


def seal(home: Home) -> Seal | None:
    """Sign what was appended since the last seal; None if that is nothing.

    Raises:
        OfficeFault: there is no site yet, or the key can't be used.
    """
    site, key = _site(), audit_key(home.keys)
    with transaction.atomic():
        _alone()
        last = Act.objects.order_by("-n").first()
        before = ActSeal.objects.order_by("-n").values_list("n", flat=True).first() or 0
        if last is None or last.n == before:
            return None
        made = Seal(last.n, before, int(time.time() * 1000), bytes(last.head)).by(key.sign, site)
        ActSeal.objects.create(
            n=made.n, before=made.before, at_ms=made.at_ms, head=made.head, signature=made.signature
        )
    return made


def copy(home: Home, after: int = 0) -> Iterator[bytes]:
    """The log as lines with their newlines, however long it is; sealed first.

    Args:
        after: acts before may be left out; the copy begins at the last seal not beyond it.
    Raises:
        OfficeFault: as for seal.
    """
    seal(home)
    site, key = _site(), audit_key(home.keys)
    seals = [
        Seal(n, before, at_ms, bytes(head), bytes(signature))
        for n, before, at_ms, head, signature in ActSeal.objects.order_by("n").values_list(
            "n", "before", "at_ms", "head", "signature"
        )
    ]
    begin = next((one for one in reversed(seals) if one.n <= after), None)
    return _copied(site, key, begin, [one for one in seals if begin is None or one.n > begin.n])


def _copied(site: str, key: OnlineKey, begin: Seal | None, seals: list[Seal]) -> Iterator[bytes]:
    yield book.heading(site, key.public, begin) + b"\n"
    last = begin or Seal(0, 0, 0, GENESIS)
    for one in seals:
        for act in Act.objects.filter(n__gt=last.n, n__lte=one.n).order_by("n").iterator(_CHUNK):
            yield book.act_line(act.n, act.at, Deed(act.who, act.what, act.subject, act.why)) + b"\n"
        yield book.seal_line(one) + b"\n"
        last = one
    end = Seal(last.n, last.n, int(time.time() * 1000), last.head).by(key.sign, site, end=True)
    yield book.seal_line(end, end=True) + b"\n"


def verify(home: Home) -> book.Verdict:
    """Check the log where it stands, as a copy of it would be checked.

    Raises:
        OfficeFault: as for seal.
    """
    key = audit_key(home.keys).public
    return book.check((line.rstrip(b"\n") for line in copy(home)), key)


def check_file(path: Path, key: PublicKey | None, seen: tuple[int, bytes] | None) -> book.Verdict:
    """Check a copy in a file; needs no office.

    Raises:
        OfficeFault: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return book.check(book.lines_of(iter(lambda: file.read(1 << 16), b"")), key, seen)
    except OSError as fault:
        raise OfficeFault(f"the copy {path} can't be read: {fault.strerror}") from fault


def _site() -> str:
    site = Site.objects.first()
    if site is None:
        raise OfficeFault("this home has no site yet; make it with `menshen-office site NAME`")
    return site.name
