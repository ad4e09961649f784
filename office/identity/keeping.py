"""Deleting people: their keys go, then the office's secret that wrapped them is replaced.

A deleted row may live on in a database's free pages, its write-ahead log, a
snapshot, a backup. The key in there is wrapped with a secret that exists no
more, and what it sealed can't be read by anybody.
"""

from collections.abc import Iterable
from typing import Final

from django.db import connection, transaction

from office.home import Home
from office.identity import secret
from office.identity.sealed import ROTATING, PersonKey
from office.identity.secret import Secret, Secrets
from office.models import Person

_CHUNK: Final = 500


def delete_keys(home: Home, keys: Iterable[str]) -> int:
    """Delete person keys for good, and whatever else still finds these people by their names.

    Returns:
        How many there were.
    Raises:
        OfficeFault: the new secret can't be written; nothing is deleted.
    """
    wanted, deleted = sorted(set(keys)), 0
    if not wanted:
        return 0
    with transaction.atomic():
        for first in range(0, len(wanted), _CHUNK):
            chunk = wanted[first : first + _CHUNK]
            Person.objects.filter(key__in=chunk).update(mark=None)
            found = PersonKey.objects.filter(pk__in=chunk)
            deleted += found.count()
            found.delete()
    rotate(home)
    return deleted


def rotate(home: Home) -> None:
    """Put a new secret in place of the office's; every person's key is wrapped anew.

    The file holds both until the database has followed: interrupted anywhere, both still belong
    together, and the next call goes on.
    """
    with transaction.atomic():
        _alone()
        before = secret.load(home.keys)
        new = Secret.new()
        secret.replace(home.keys, Secrets(new, {**before.known, new.name: new}))
        _wrap_anew(before, new)
    secret.replace(home.keys, Secrets(new, {new.name: new}))


def _alone() -> None:
    """Nobody seals meanwhile: on PostgreSQL by a lock, on SQLite since there is one writer."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROTATING])


def _wrap_anew(before: Secrets, new: Secret) -> None:
    people = Person.objects.filter(key__isnull=False).select_related("key").iterator(_CHUNK)
    marks = [(new.mark(person.name), person.pk) for person in people]
    rows = [
        (new.name, new.wrap(before.named(key.secret).unwrap(bytes(key.wrapped), key.id), key.id), key.id)
        for key in PersonKey.objects.iterator(_CHUNK)
    ]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE office_personkey SET secret = %s, wrapped = %s WHERE id = %s", rows)
        cursor.executemany("UPDATE office_person SET mark = %s WHERE id = %s", marks)
