"""`backup`, `check-backup` and `restore`."""

import getpass
import warnings
from pathlib import Path

import click
from django.utils import timezone

from agent.core.keys import PublicKey
from office import home as homes
from office import registry
from office.backup import checking, folder, lockbox, making, restoring
from office.backup.folder import Keeping
from office.backup.lockbox import Key, Lock
from office.cli.common import first_line, home_option, say, use
from office.faults import OfficeFault

_file = click.Path(dir_okay=False, path_type=Path)
_passphrase_option = click.option(
    "--passphrase-file", type=_file, help="Its first line is the passphrase; only its owner may read it."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "recipients",
    multiple=True,
    metavar="AGE_KEY",
    help="A public key, age1…; may be given several times.",
)
@_passphrase_option
@click.option(
    "--people", type=_file, help="The file of people's keys. [default: people-SITE.age beside FILE]"
)
@click.option("--without-people", is_flag=True, help="Leave the file of people's keys as it is.")
@click.option(
    "--daily",
    type=click.IntRange(1, 1000),
    help="In a folder: of how many days the newest stays. [default: 7]",
)
@click.option(
    "--weekly", type=click.IntRange(0, 1000), help="In a folder: and of how many weeks. [default: 5]"
)
@click.option(
    "--alert-after",
    "alert_after_h",
    type=click.IntRange(1, 10_000),
    metavar="HOURS",
    help="In a folder: an alert when the newest is older. [default: 26]",
)
@home_option
def backup(  # noqa: PLR0913, PLR0917  an option each
    file: Path,
    recipients: tuple[str, ...],
    passphrase_file: Path | None,
    people: Path | None,
    without_people: bool,
    daily: int | None,
    weekly: int | None,
    alert_after_h: int | None,
    home: Path | None,
) -> None:
    """Write the office into FILE, encrypted, while it goes on: database and keys. FILE must be new.

    Who people are can be read only with the file of people's keys, which each backup replaces: keep
    one, the newest, so that whoever is deleted is deleted from every backup. Without --to a
    passphrase is asked for. Lost keys and forgotten passphrases can't be got round.

    If FILE is a folder, a new file is made in it and opened again at once; then those are removed
    that are not the newest of one of the last days or weeks. For a timer.

    \b
    Examples:
      menshen-office backup /mnt/backup/2026-05-01.age
      menshen-office backup /mnt/backup/2026-05-01.age --to age1… --people /mnt/safe/people.age
      menshen-office backup /mnt/backup --daily 7 --weekly 5 --to age1…
    """
    office = use(home, whole=True)
    if people is not None and without_people:
        raise OfficeFault("found --people and --without-people, wanted one of them")
    if recipients and passphrase_file is not None:
        raise OfficeFault("found --to and --passphrase-file, wanted one of them")
    if file.is_dir():
        if people is not None or without_people:
            raise OfficeFault(
                "found --people or --without-people with a folder, which keeps its own people-SITE.age"
            )
        usual = Keeping()
        keeping = Keeping(
            daily or usual.daily,
            usual.weekly if weekly is None else weekly,
            alert_after_h or usual.alert_after_h,
        )
        _into_folder(office, file, _lock(recipients, passphrase_file), keeping)
        return
    if (daily, weekly, alert_after_h) != (None, None, None):
        raise OfficeFault(
            f"found --daily, --weekly or --alert-after, and {file} is no folder; make it with mkdir, or leave them out"
        )
    if file.exists():
        raise OfficeFault(f"found {file}, wanted a name that is free: a backup never replaces another")
    lock = _lock(recipients, passphrase_file)
    beside = None if without_people else people or file.with_name(f"people-{registry.the_site()}.age")
    made = making.make(office, file, lock, beside)
    _note(file, made)
    say(
        f"{file} holds the office, {made.size} bytes; try it: `menshen-office restore {file} --home DIRECTORY`"
    )
    if beside is not None:
        say(f"{beside} holds the keys of {made.people} people and visits; keep this newest one only")


def _into_folder(office: homes.Home, directory: Path, lock: Lock, keeping: Keeping) -> None:
    added = folder.add(office, directory, lock, keeping)
    _note(added.file, added.made)
    say(f"{added.file} holds the office, {added.made.size} bytes, and was opened again to try it")
    for name in added.removed:
        say(
            f"{directory / name} is removed: neither of the last {keeping.daily} days nor {keeping.weekly} weeks"
        )


def _note(file: Path, made: making.Made) -> None:
    registry.note(f"{getpass.getuser()} at a terminal", "backup", file.name[:64], f"{made.size} bytes")


def _lock(recipients: tuple[str, ...], passphrase_file: Path | None) -> Lock:
    return Lock.to(recipients) if recipients else Lock.by(_passphrase(passphrase_file, twice=True))


@click.command("check-backup")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--identity", type=_file, help="The age identity file, if it was made with --to.")
@_passphrase_option
@home_option
def check_backup(file: Path, identity: Path | None, passphrase_file: Path | None, home: Path | None) -> None:
    """Look whether the newest backup in a folder, or one FILE, can be opened and is young enough.

    With --identity or a passphrase it is opened as a restore would open it, and its keys and its database
    are examined. With neither, as on the machine that makes backups for a public key: whether the file is
    still as it was when it was made and tried. Ends with 1 if not.

    \b
    Examples:
      menshen-office check-backup /mnt/backup
      menshen-office check-backup /mnt/backup --identity key.txt
    """
    office = use(home, whole=True)
    one = folder.newest_in(file) if file.is_dir() else file
    if identity is None and passphrase_file is None:
        _still_as_made(office, one)
    else:
        key = Key.of_file(identity) if identity else Key(passphrase=_passphrase(passphrase_file, twice=False))
        manifest = checking.check(office, one, key)
        beside = one.with_name(f"people-{manifest.site}.age")
        people = checking.check_people(beside, key) if beside.exists() else 0
        say(
            f"{one} can be opened: site {manifest.site} as of {manifest.made_at}; {people} people's keys beside it"
        )
    newest = folder.Newest.of(office)
    if file.is_dir() and newest is not None and newest.is_late(timezone.now()):
        raise OfficeFault(f"{one} is older than {newest.alert_after_h} hours; does its timer run?")


def _still_as_made(office: homes.Home, one: Path) -> None:
    newest = folder.Newest.of(office)
    if newest is None or Path(newest.file).name != one.name:
        raise OfficeFault(
            f"this office does not remember {one}; give --identity or --passphrase-file to open it"
        )
    if folder.digest(one) != newest.sha256:
        raise OfficeFault(f"{one} is not as it was made; look at its disk, and make another")
    say(f"{one} is as it was made on {newest.at}, and was opened then")


@click.command()
@click.argument("file", type=_file)
@click.option("--identity", type=_file, help="The age identity file, if it was made with --to.")
@_passphrase_option
@click.option(
    "--people", type=_file, help="The file of people's keys. [default: the only people-*.age beside FILE]"
)
@click.option("--without-people", is_flag=True, help="Restore nobody's name, for good.")
@click.option("--key", "key_text", metavar="KEY", help="The office's, as noted from `audit key`.")
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    help="The newest published list, or a copy of it. [default: where the office published]",
)
@click.option("--without-list", is_flag=True, help="No list is left: learn from the gates what was revoked.")
@click.option(
    "--audit",
    type=_file,
    help="A copy of the audit log, newer than the backup: accounts closed since stay closed.",
)
@home_option
def restore(  # noqa: PLR0913, PLR0917  an option each
    file: Path,
    identity: Path | None,
    passphrase_file: Path | None,
    people: Path | None,
    without_people: bool,
    key_text: str | None,
    repository: Path | None,
    without_list: bool,
    audit: Path | None,
    home: Path | None,
) -> None:
    """Make the office in FILE anew, in a home that is not there yet.

    Everybody who has a key in the file of people's keys is back, and nobody else. Passes that the newest
    published list denies or does not have stay shut; `menshen-office differences list` lists them, for a
    person to settle. Accounts that were closed after the backup was made stay closed if --audit names a copy of
    the audit log that is newer (`audit export`); without one each open account waits for an administrator.

    \b
    Examples:
      menshen-office restore /mnt/backup/2026-05-01.age --home /var/lib/menshen-office
      menshen-office restore 2026-05-01.age --identity key.txt --people people.age --key ed25519:…
      menshen-office restore 2026-05-01.age --audit /mnt/auditor/may.jsonl
    """
    if people is not None and without_people:
        raise OfficeFault("found --people and --without-people, wanted one of them")
    if identity is not None and passphrase_file is not None:
        raise OfficeFault("found --identity and --passphrase-file, wanted one of them")
    if repository is not None and without_list:
        raise OfficeFault("found --repository and --without-list, wanted one of them")
    by_passphrase = lockbox.is_by_passphrase(file)
    beside = None if without_people else people or _beside(file)
    noted = _key(key_text)
    key = (
        Key.of_file(identity)
        if identity is not None
        else Key(passphrase=_passphrase(passphrase_file, twice=False) if by_passphrase else "")
    )
    wish = restoring.Wish(file, key, beside, noted, repository, without_list, audit)
    back = restoring.restore(home or homes.default(), wish, by=f"{getpass.getuser()} at a terminal")
    say(
        f"site {back.manifest.site} as of {back.manifest.made_at} is in {back.home.path}; its audit log is sound"
    )
    if back.gone:
        why = f": {back.unsure}" if back.unsure else ", as they were deleted since"
        say(f"{back.gone} people and visits have no key and stay without a name{why}")
    _say_what_differs(back)
    _say_of_accounts(back)
    say("gates are asked for the events since as soon as `menshen-office ingest` runs here, and only here")
    click.echo(f"{back.log.n}:{back.log.head.hex()}")


def _say_what_differs(back: restoring.Restored) -> None:
    if back.number is None:
        say(
            "no list was at hand: what was revoked since is shut as the gates tell it; let `menshen-office ingest` "
            "hear all gates, then look at `menshen-office differences list` before you publish"
        )
    elif back.differences:
        say(
            f"list {back.number} has {back.differences} passes or rules otherwise; what it denies stays shut: "
            "see `menshen-office differences list`"
        )
    else:
        say(f"list {back.number} has everything as the backup has it")


def _say_of_accounts(back: restoring.Restored) -> None:
    if back.accounts is None:
        say("close again the accounts that were closed since; compare with the sites' audit copies")
        return
    wait = (
        f"{back.accounts} accounts wait for an administrator, on the page Accounts or in `differences list`"
    )
    if back.told_until is not None:
        until = f"{back.told_until:%Y-%m-%d %H:%M}Z"
        say(f"accounts are as the audit copy of {until} has them; what came later it does not tell")
        if back.accounts:
            say(f"{wait}; who lost a password: `menshen-office account reset NAME`")
    elif back.accounts:
        say(f"no copy of the audit log was at hand, so accounts that were closed since are open: {wait}")


def _beside(file: Path) -> Path:
    found = sorted(file.absolute().parent.glob("people-*.age"))
    if len(found) != 1:
        raise OfficeFault(
            f"found {len(found)} files people-*.age beside {file}, wanted the one with the people's keys: "
            "give --people FILE, or --without-people"
        )
    return found[0]


def _key(text: str | None) -> PublicKey | None:
    try:
        return PublicKey.parse(text) if text else None
    except ValueError as fault:
        raise OfficeFault(f"--key: {fault}") from fault


def _passphrase(file: Path | None, *, twice: bool) -> str:
    return _asked(twice=twice) if file is None else first_line(file)


def _asked(*, twice: bool) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it would be shown while it is typed
            asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
    except getpass.GetPassWarning as fault:
        raise OfficeFault(
            "there is no terminal to ask for the passphrase; give --passphrase-file FILE"
        ) from fault
    return asked


COMMANDS = (backup, check_backup, restore)
