"""A folder of backups, made by a timer: a new one, tried at once, and then the old ones that are no longer kept.

Kept is the newest of each of the last days and of each of the last weeks on which there is one; days
without a backup do not count, so a timer that stood still for a month costs nothing. The home
remembers the newest, and whoever looks after the office hears when it is too old or gone.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.utils import timezone

from office import registry
from office.alerts import Matter, raise_alert
from office.backup import checking, making
from office.backup.lockbox import Lock
from office.faults import OfficeFault
from office.files import write_whole
from office.home import Home
from office.models import Alert

FILE: Final = "backups.json"
_NAME: Final = re.compile(r"-(\d{4}-\d\d-\d\dT\d{6})Z\.age")
_TIME: Final = "%Y-%m-%dT%H%M%S"


@dataclass(frozen=True, slots=True)
class Keeping:
    """How a folder is kept.

    Args:
        daily, weekly: of how many days and weeks the newest stays.
        alert_after_h: hours after which the newest is too old.
    """

    daily: int = 7
    weekly: int = 5
    alert_after_h: int = 26


@dataclass(frozen=True, slots=True)
class Newest:
    """What the home remembers of the newest backup in a folder.

    Args:
        at: UTC, ISO 8601.
        recipients: public keys that it is encrypted for; the office's own, so to say.
    """

    file: str
    at: str
    size: int
    sha256: str
    alert_after_h: int
    recipients: tuple[str, ...] = ()

    @classmethod
    def of(cls, home: Home) -> "Newest | None":
        """None if no folder was ever kept.

        Raises:
            OfficeFault: the note can't be read.
        """
        try:
            return cls(**json.loads((home.path / FILE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as fault:
            raise OfficeFault(
                f"{home.path / FILE} can't be read: {fault}; the next backup writes it anew"
            ) from fault

    def is_late(self, now: datetime) -> bool:
        """Whether it is older than it should be."""
        return now - datetime.fromisoformat(self.at) > timedelta(hours=self.alert_after_h)


@dataclass(frozen=True, slots=True)
class Added:
    """A new backup in a folder, and the names of those that left it."""

    file: Path
    made: making.Made
    removed: tuple[str, ...]


def add(home: Home, folder: Path, lock: Lock, keeping: Keeping) -> Added:
    """Make a backup in a folder, open it again, and only then let old ones go.

    Raises:
        OfficeFault: it can't be made or opened; then nothing is removed, and there is an alert.
    """
    site, now = registry.the_site().name, datetime.now(UTC)
    file = folder / f"{site}-{now:{_TIME}}Z.age"
    watched, witness = lock.witnessed()
    try:
        made = making.make(home, file, watched, folder / f"people-{site}.age")
        checking.check(home, file, witness)
        checking.check_people(folder / f"people-{site}.age", witness)
        newest = Newest(
            str(file.absolute()),
            now.isoformat(timespec="seconds"),
            made.size,
            digest(file),
            keeping.alert_after_h,
            () if lock.begin else tuple(map(str, lock.recipients)),
        )
        write_whole(home.path / FILE, json.dumps(asdict(newest), indent=1).encode(), 0o600)
    except (OfficeFault, OSError) as fault:
        raise_alert(
            Matter.BACKUP, "", f"no backup could be made in {folder}: {fault}", timezone.now(), "failed"
        )
        raise OfficeFault(str(fault)) from fault
    found = {one.name for one in folder.glob(f"{site}-*.age") if _NAME.fullmatch(one.name, len(site))}
    removed = sorted(found - kept(found, keeping))
    for name in removed:
        (folder / name).unlink(missing_ok=True)
    return Added(file, made, tuple(removed))


def kept(names: Iterable[str], keeping: Keeping) -> set[str]:
    """Which of these backups stay."""
    by_day: dict[str, str] = {}
    by_week: dict[str, str] = {}
    for name in sorted(names, reverse=True):
        found = _NAME.search(name)
        if found:
            at = datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)
            by_day.setdefault(f"{at:%Y-%m-%d}", name)
            by_week.setdefault(f"{at:%G-%V}", name)
    return {*list(by_day.values())[: keeping.daily], *list(by_week.values())[: keeping.weekly]}


def newest_in(folder: Path) -> Path:
    """The newest backup in a folder.

    Raises:
        OfficeFault: there is none.
    """
    found = [one.name for one in folder.glob("*.age") if _NAME.search(one.name)]
    if not found:
        raise OfficeFault(f"found no backup in {folder}; `menshen-office backup {folder}` makes one")
    return folder / max(found, key=lambda name: name[-22:])


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def look_after(home: Home, now: datetime) -> None:
    """Raise an alert when the newest backup is too old or gone; once for each.

    Raises:
        OfficeFault: as Newest.of.
    """
    newest = Newest.of(home)
    if newest is None:
        return
    name = Path(newest.file).name
    if newest.is_late(now):
        said = f"the newest backup, {name}, is older than {newest.alert_after_h} hours; does its timer run?"
    elif not Path(newest.file).is_file():
        said = f"the newest backup, {newest.file}, is not there any more; is its disk?"
    else:
        return
    if not Alert.objects.filter(kind=Matter.BACKUP, about=name[:64]).exists():
        raise_alert(Matter.BACKUP, "", said, now, name[:64])
