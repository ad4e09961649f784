"""The file of the people's keys: one generation, so that whoever is deleted is deleted from every backup.

A backup's database holds people sealed, and their keys wrapped with a secret that it does not hold and
that is replaced whenever somebody is deleted. What opens them is kept in this file alone, and each
backup puts the newest in place of the one before. A database of last month with the keys of today is
last month's office without whoever was deleted since.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction

from office.backup.dumps import Rows
from office.backup.lockbox import Key
from office.faults import OfficeFault
from office.home import Home
from office.identity import secret
from office.identity.keeping import delete_keys, rotate
from office.identity.sealed import PersonKey
from office.identity.secret import Secrets

FORMAT: Final = "menshen/people-keys/1"
_CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class PeoplesKeys:
    """The keys of everybody who was not deleted at a moment.

    Args:
        made_at: UTC, ISO 8601.
        rows: id, name of the secret that wraps it, wrapped.
    """

    site: str
    made_at: str
    secrets: Secrets
    rows: Rows

    def chunks(self) -> Iterator[bytes]:
        """As it is encrypted."""
        facts = {
            "format": FORMAT,
            "site": self.site,
            "made_at": self.made_at,
            "secrets": json.loads(self.secrets.to_bytes()),
            "keys": [[one, name, wrapped.hex()] for one, name, wrapped in self.rows],
        }
        yield json.dumps(facts).encode() + b"\n"

    @classmethod
    def open(cls, path: Path, key: Key) -> "PeoplesKeys":
        """From an encrypted file.

        Raises:
            OfficeFault: it can't be opened, or is none.
        """
        plain = io.BytesIO()
        key.open(path, plain)
        try:
            facts: Any = json.loads(plain.getvalue())
            if facts["format"] != FORMAT:
                raise OfficeFault(f"{path} does not hold people's keys of form {FORMAT}")
            secrets = Secrets.read(json.dumps(facts["secrets"]).encode())
            rows = [(str(one), str(name), bytes.fromhex(wrapped)) for one, name, wrapped in facts["keys"]]
            return cls(str(facts["site"]), str(facts["made_at"]), secrets, rows)
        except (ValueError, KeyError, TypeError) as fault:
            raise OfficeFault(f"{path} does not hold people's keys: {fault!r}") from fault


def secrets_for(rows: Rows, before: Secrets, after: Secrets) -> Secrets:
    """The secrets that wrap these keys; the file was read before and after they were.

    Raises:
        OfficeFault: secrets were replaced twice meanwhile.
    """
    known = before.known | after.known
    wanted = {name for _, name, _ in rows} | {after.current.name}
    if not wanted <= known.keys():
        raise OfficeFault("people were deleted while the backup was made; nothing was written, begin again")
    return Secrets(after.current, {name: known[name] for name in sorted(wanted)})


def put_back(home: Home, kept: PeoplesKeys | None) -> int:
    """Give a restored database these keys, and only these; the home gets a secret of its own.

    Args:
        kept: None lets go of everybody.
    Returns:
        How many people and visits have no key any more.
    Raises:
        OfficeFault: a key does not open what it should.
    """
    rows = {one: (name, wrapped) for one, name, wrapped in kept.rows} if kept else {}
    there = set(PersonKey.objects.values_list("pk", flat=True))
    gone = sorted(there - rows.keys())
    if kept:
        secret.replace(home.keys, kept.secrets)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE office_personkey SET secret = %s, wrapped = %s WHERE id = %s",
            [(*rows[one], one) for one in sorted(there & rows.keys())],
        )
    if gone:
        delete_keys(home, gone)
    else:
        rotate(home)
    return len(gone)
