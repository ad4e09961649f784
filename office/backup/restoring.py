"""An office from its backup, into a home that is not there yet.

All is put together beside the home and renamed into its place at the end, so a restore that
fails leaves no half of an office. Sessions are not restored: everybody signs in again. What was
revoked after the backup was made stays so: the newest published list says it, and of accounts a copy of the
audit log, see office.differences.
"""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from django.contrib.sessions.models import Session
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import Max
from django.db.utils import DatabaseError
from django.utils import timezone

from agent.core.keys import PublicKey
from office import home as homes
from office import published, registry
from office.audit import keeper
from office.audit.book import Seal
from office.backup import archive, dumps, peoples_keys
from office.backup.archive import Manifest
from office.backup.lockbox import Key
from office.backup.peoples_keys import PeoplesKeys
from office.differences import comparing, hearing, staff
from office.faults import OfficeFault
from office.home import Home
from office.keyring import AUDIT_KEY, Keyring, audit_key
from office.models import Act, Publication, Restoration
from office.places import Place
from office.published import Published

_UNSEEN_LISTS: Final = 1000
"""So many may have been published after the backup, where no list is at hand that says it."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back.

    Args:
        gone: how many people and visits have no key.
        unsure: why some of them may be gone who were not deleted; empty if there is no reason.
        log: the last seal of the audit log before the restore.
        number: of the newest list, which the office was compared with; None if there was none at hand.
        differences: how many passes and rules that list has otherwise.
        accounts: how many accounts wait for an administrator; None of a group's own, whose sites know of them.
        told_until: when the copy of the audit log was made; None if there was none at hand.
    """

    home: Home
    manifest: Manifest
    gone: int
    unsure: str
    log: Seal
    number: int | None
    differences: int
    accounts: int | None
    told_until: datetime | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What to restore.

    Args:
        people: the file of people's keys; None restores nobody's identity.
        noted: the office's audit key as an auditor noted it; None believes the backup.
        repository: with the newest published list; None looks where the office published.
        without_list: go on although no list is at hand; then only the gates tell what was denied since.
        audit: a copy of the audit log, newer than the backup; None if there is none.
    """

    file: Path
    key: Key
    people: Path | None
    noted: PublicKey | None = None
    repository: Path | None = None
    without_list: bool = False
    audit: Path | None = None


def restore(home: Path, wish: Wish, *, by: str) -> Restored:
    """Make an office of a backup.

    Raises:
        OfficeFault: something is in the way, damaged, of another key, or newer than this version; nothing
            is left behind, except that PostgreSQL's database may be filled, which the sentence says.
    """
    home = home.absolute()
    if home.is_symlink() or (home.exists() and (not home.is_dir() or any(home.iterdir()))):
        raise OfficeFault(
            f"found something in {home}, wanted a home that is not there yet; give another --home"
        )
    dumps.must_be_empty()
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{home.name}.", dir=home.parent))
    except OSError as fault:
        raise OfficeFault(f"no home can be made at {home}: {fault}") from fault
    try:
        restored = _fill(Home(beside), wish, by)
        connections.close_all()
        if home.exists():
            home.rmdir()
        beside.rename(home)
    except (OSError, DatabaseError) as fault:
        raise OfficeFault(f"the office can't be restored to {home}: {fault}") from fault
    finally:
        connections.close_all()
        shutil.rmtree(beside, ignore_errors=True)
    return Restored(homes.use(home), *restored)


def _fill(
    office: Home, wish: Wish, by: str
) -> tuple[Manifest, int, str, Seal, int | None, int, int | None, datetime | None]:
    office.keys.mkdir(mode=0o700)
    kept = PeoplesKeys.open(wish.people, wish.key) if wish.people else None
    dumped = office.path / archive.DATABASE
    with tempfile.TemporaryFile(dir=office.path) as packed:
        wish.key.open(wish.file, packed)
        packed.seek(0)
        manifest = archive.unpack(packed, office.path, dumped)
    _fits(manifest, kept)
    keyring = Keyring.load(office.keys) if _publishes(office) else None
    if wish.noted is not None and audit_key(office.keys).public != wish.noted:
        raise OfficeFault(
            f"the backup's audit key is {audit_key(office.keys).public}, wanted {wish.noted}: another office's"
        )
    newest = _newest_list(office, wish, manifest.site, keyring) if keyring else None
    dumps.load(dumped, office.database)
    dumped.unlink(missing_ok=True)
    try:
        homes.use(office.path)
        last = _sound(office)
        told = staff.read(wish.audit, audit_key(office.keys).public, last) if wish.audit else None
        gone = peoples_keys.put_back(office, kept)
        Session.objects.all().delete()
        said = f"backup of {manifest.made_at}, act {last.n}; without a key: {gone}"
        with transaction.atomic():
            registry.note(by, "restore", manifest.site, said)
            restoration = _on_record(manifest, without_list=wish.without_list)
            differences = comparing.compare(restoration, registry.the_site(), newest) if newest else 0
            found = staff.compare(told)
            accounts = None if found is None else comparing.put_on_record(restoration, found)
            hearing.tell(restoration)
        keeper.seal(office)
    except OfficeFault as fault:
        if connection.vendor == "sqlite":
            raise
        raise OfficeFault(f"{fault}; the database is filled already: empty it before the next try") from fault
    number = newest.head.number if newest else None
    unsure = _unsure(manifest, kept) if gone else ""
    return manifest, gone, unsure, last, number, differences, accounts, told.until if told else None


def _publishes(office: Home) -> bool:
    """Whether this is a site's backup: a group's own has the key of its history, and no other."""
    return any(one.name != AUDIT_KEY for one in office.keys.glob("*.pem"))


def _newest_list(office: Home, wish: Wish, site: str, keyring: Keyring) -> Published | None:
    """The list that the gates have, if the office that is restored has ever published one."""
    place = Place.last(office)
    if wish.without_list or (place is None and wish.repository is None):
        return None
    where = wish.repository or Path(place.out if place else "")
    found = published.newest(where, site, keyring)
    if found is None:
        raise OfficeFault(
            f"found no list in {where}, and the newest one says what was revoked after the backup was made: "
            "give a copy of the repository with --repository DIR; if there is none, --without-list"
        )
    return found


def _on_record(manifest: Manifest, *, without_list: bool) -> Restoration:
    known = Publication.objects.aggregate(newest=Max("number"))["newest"] or 0
    return Restoration.objects.create(
        at=timezone.now(),
        made_at=datetime.fromisoformat(manifest.made_at),
        act=Act.objects.latest("n").n,
        floor=known + _UNSEEN_LISTS if without_list else known,
    )


def _sound(office: Home) -> Seal:
    found = keeper.verify(office)
    if found.flaw or found.last is None:
        raise OfficeFault(f"the audit log in the backup is not sound: {found.flaw}; take another backup")
    return found.last


def _fits(manifest: Manifest, kept: PeoplesKeys | None) -> None:
    if manifest.vendor != connection.vendor:
        raise OfficeFault(
            f"the backup is of an office on {manifest.vendor}, and this one is on {connection.vendor}: "
            "set or unset MENSHEN_OFFICE_DATABASE"
        )
    known = {
        f"{app}.{name}" for app, name in MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    }
    if newer := set(manifest.migrations) - known:
        raise OfficeFault(
            f"the backup was made by menshen {manifest.version}, which knows {min(newer)}: install that version"
        )
    if kept and kept.site != manifest.site:
        raise OfficeFault(f"the people's keys are of site {kept.site}, and the backup is of {manifest.site}")


def _unsure(manifest: Manifest, kept: PeoplesKeys | None) -> str:
    if kept is None:
        return "their keys were not restored"
    if kept.made_at < manifest.made_at:
        return f"the people's keys are of {kept.made_at}, before the backup: who came after has none there"
    return ""
