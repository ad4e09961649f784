"""How soon the muster list is there with 5,000 people inside (C24: within 5 s).

    make bench-muster                    (INSIDE=5000)

The page is asked for as a browser does, by a fresh server and again; names are sealed, each under its own key. The
floor, in the same run, is one plain query for the rows that the page is made of, names not opened. Then the
same by four gates' own accounts of as many passages each, of which the office has not heard.
"""

import http.client
import os
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from office.home import prepare

prepare()

from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from agent.core.keys import Alg, PublicKey  # noqa: E402
from agent.core.memory import Way  # noqa: E402
from agent.core.moments import Trust  # noqa: E402
from agent.core.muster import Muster, Seen  # noqa: E402
from office import mustering, registry  # noqa: E402
from office.models import Pass, PassState, Person  # noqa: E402
from office.web import files as personal  # noqa: E402
from office.web import muster  # noqa: E402
from office.web.models import Inside  # noqa: E402
from tests.office_pages.desk import Desk  # noqa: E402
from tests.office_pages.serving import served_at  # noqa: E402

INSIDE: Final = int(os.environ.get("INSIDE", "5000"))
_ROUNDS: Final = 7


def _fill(desk: Desk) -> None:
    now, site, gate = timezone.now(), registry.the_site(), desk.gate()
    with transaction.atomic():
        people = [Person.of_name(site, f"Person {number}") for number in range(INSIDE)]
        for number, person in enumerate(people):
            personal.change(person, {"unit": f"{number // 100}-{number % 100}", "phone": ""}, "chen")
        passes = [
            Pass(
                pass_id=f"{number:016x}",
                person=person,
                kind="resident",
                zones=1,
                not_before=now,
                not_after=now + timedelta(days=300),
                state=PassState.LIVE,
                drafted_by="chen",
                approved_by="wang",
            )
            for number, person in enumerate(people)
        ]
        Pass.objects.bulk_create(passes, 500)
        Inside.objects.bulk_create(
            [Inside(pass_id=one.pass_id, gate=gate, since_utc=now.timestamp()) for one in passes], 500
        )


def _floor_s() -> float:
    begin = time.perf_counter()
    list(Inside.objects.values_list("pass_id", "gate__name", "gate__zone", "since_utc"))
    list(Person.objects.values_list("pk", "sealed", "key__wrapped", "file__sealed"))
    return time.perf_counter() - begin


def _page_s(port: int, cookie: str) -> tuple[float, int]:
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/inside", headers={"Cookie": cookie})
    answer = connection.getresponse()
    found = answer.read().count(b'class="print tick"')
    connection.close()
    if answer.status != http.HTTPStatus.OK or found != INSIDE:
        raise SystemExit(f"found {found} of {INSIDE} people, status {answer.status}")
    return time.perf_counter() - begin, found


def _accounts(desk: Desk) -> list[bytes]:
    """Four gates that the office has not heard, each with a passage of everybody; at the last all are inside."""
    now, files = int(time.time()) + 600, []
    for number in range(4):
        gate, key = desk.gate(f"gate-{number}"), Ed25519PrivateKey.generate()
        raw = key.public_key().public_bytes_raw()
        gate.journal_key = str(PublicKey(Alg.ED25519, raw))
        gate.save()
        way = Way.IN if number == 3 else Way.OUT
        seen = tuple(Seen(f"{one:016x}", gate.name, "main", way, now + number) for one in range(INSIDE))
        bare = Muster(gate.site.name, gate.name, now, Trust.SYNCED, seen)
        files.append(bare.signed(key.sign(bare.signed_by_gate())).to_bytes())
    return files


def _together_s(files: list[bytes]) -> float:
    begin = time.perf_counter()
    site = registry.the_site()
    accounts = [mustering.read_file(f"{number}", data, site) for number, data in enumerate(files)]
    found = sum(len(those) for _, those in muster.inside(accounts, names=True))
    if found != INSIDE:
        raise SystemExit(f"found {found} of {INSIDE} people by the gates' accounts")
    return time.perf_counter() - begin


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory(prefix="menshen-muster-") as directory:
        desk = Desk(Path(directory) / "home")
        desk.found()
        _fill(desk)
        cookie = f"sessionid={desk.browser('wang').cookies['sessionid'].value}"
        floor = statistics.median(_floor_s() for _ in range(_ROUNDS))
        with served_at(desk) as served:
            first, _ = _page_s(served.port, cookie)
            again = [_page_s(served.port, cookie)[0] for _ in range(_ROUNDS)]
        files = _accounts(desk)
        together = statistics.median(_together_s(files) for _ in range(_ROUNDS))
    median = statistics.median(again)
    print(f"{INSIDE} people inside           seconds   of the floor")
    print(f"floor: the rows alone        {floor:8.3f}          1.0")
    print(f"page, of a fresh server      {first:8.3f}   {first / floor:10.1f}")
    print(
        f"page, median of {_ROUNDS}            {median:8.3f}   {median / floor:10.1f}   most {max(again):.3f}"
    )
    print(f"list, with 4 gates' accounts {together:8.3f}   {together / floor:10.1f}")


if __name__ == "__main__":
    main()
