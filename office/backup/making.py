"""Making a backup of the office in use."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from office import places, registry
from office.audit import keeper
from office.backup import archive, dumps, peoples_keys
from office.backup.archive import Manifest
from office.backup.lockbox import Lock
from office.backup.peoples_keys import PeoplesKeys
from office.faults import OfficeFault
from office.home import Home
from office.identity import secret

_PASSING: Final = ".backup-"
_KEPT: Final = ("office-public.json", places.FILE)


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that stands.

    Args:
        people: whose keys are in the file of people's keys; None if there was to be none.
    """

    size: int
    people: int | None


def make(home: Home, file: Path, lock: Lock, people: Path | None) -> Made:
    """Write a backup, and put today's keys of people in place of the ones before.

    The keys go first: if the disk is full after that, earlier backups still have the newest keys.

    Args:
        people: the file of people's keys; None leaves it alone.
    Raises:
        OfficeFault: something stands at `file`, or can't be written or read; earlier backups stand.
    """
    if file.exists():
        raise OfficeFault(f"found {file}, wanted a name that is free: a backup never replaces another")
    site, made_at = registry.the_site().name, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        with passing(home) as directory:
            dumped = directory / archive.DATABASE
            keeper.seal(home)  # and so its key is there
            before = secret.load(home.keys)
            rows = dumps.dump(dumped)
            secrets = peoples_keys.secrets_for(rows, before, secret.load(home.keys))
            if people is not None:
                lock.write(people, PeoplesKeys(site, made_at, secrets, rows).chunks(), replace=True)
            manifest = Manifest(site, made_at, connection.vendor, version("menshen"), migrations())
            lock.write(file, archive.chunks(manifest, _small(home), dumped), replace=False)
        size = file.stat().st_size
    except FileExistsError as fault:
        raise OfficeFault(
            f"found {file}, wanted a name that is free: a backup never replaces another"
        ) from fault
    except OSError as fault:
        raise OfficeFault(f"the backup can't be written: {fault}; look at the disk and its rights") from fault
    return Made(size, None if people is None else len(rows))


def _small(home: Home) -> dict[str, Path]:
    """The home's files besides the database; never the secret that wraps people's keys."""
    keys = [one for one in home.keys.iterdir() if one.is_file() and not one.name.startswith(".")]
    found = {f"keys/{one.name}": one for one in keys if one.name != secret.FILE}
    return found | {f"home/{name}": home.path / name for name in _KEPT if (home.path / name).is_file()}


def migrations() -> tuple[str, ...]:
    """What has formed the tables of the database in use."""
    return tuple(sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()))


@contextlib.contextmanager
def passing(home: Home) -> Iterator[Path]:
    """A directory for the plain copy, as guarded as the database itself; one backup at a time.

    What a killed backup has left is removed by the next.
    """
    with (home.path / "backup.lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        for left in home.path.glob(f"{_PASSING}*"):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_PASSING, dir=home.path) as name:
            yield Path(name)
