"""`each`: one command at each site of a group, one after the other, or all at once for those that run for good."""

import subprocess
import sys
from pathlib import Path

import click

from office import home as homes
from office.cli.common import say, until_told
from office.faults import OfficeFault
from office.group import Group

_LOOK_S = 0.5
_PATIENCE_S = 20


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--at-once", is_flag=True, help="All together, until SIGTERM or until one of them ends.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="The group's directory; else MENSHEN_OFFICE_HOME, else ./office-home.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def each(at_once: bool, home: Path | None, command: tuple[str, ...]) -> None:
    """Give COMMAND at each site of the group, with --site; {site} in it becomes the site's name.

    One that fails does not keep the others from theirs; then this ends with 1.

    \b
    Examples:
      menshen-office each renew
      menshen-office each -- backup /mnt/backup/{site}-today.age --passphrase-file backup.passphrase
      menshen-office each --at-once mirror
    """
    path = home or homes.default()
    group = Group.at(path)
    if group is None:
        raise OfficeFault(f"found no group in {path}; for one site give the command itself")
    failed = _together(group, command) if at_once else _in_turn(group, command)
    if failed:
        raise OfficeFault(f"not done at {', '.join(failed)}; the reason stands above")


def _in_turn(group: Group, command: tuple[str, ...]) -> list[str]:
    failed = []
    for site in group.sites:
        say(f"{site}:")
        if subprocess.run(_words(group, site, command), check=False).returncode:
            failed.append(site)
    return failed


def _together(group: Group, command: tuple[str, ...]) -> list[str]:
    stop = until_told()
    running = {site: subprocess.Popen(_words(group, site, command)) for site in group.sites}
    while not stop.wait(_LOOK_S):
        if any(one.poll() is not None for one in running.values()):
            break
    ended = [site for site, one in running.items() if one.poll() is not None and not stop.is_set()]
    for one in running.values():
        one.terminate()
    for one in running.values():
        try:
            one.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()
    return ended


def _words(group: Group, site: str, command: tuple[str, ...]) -> list[str]:
    said = [word.replace("{site}", site) for word in command]
    return [sys.executable, "-m", "office.cli", *said, "--home", str(group.path), "--site", site]


COMMANDS = (each,)
