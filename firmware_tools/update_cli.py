"""menshen-firmware update: on a gate. Each step is a process of its own, with rights of its own."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from firmware_tools.told import Told

if TYPE_CHECKING:
    from firmware_tools.device.place import Place

_config = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("/etc/menshen/gate.toml"),
    show_default=True,
    help="The gate's configuration.",
)
_source = click.option(
    "--from",
    "source",
    metavar="SOURCE",
    help="http://…, https://… or the folder of a stick; else update.source of gate.toml.",
)
_OUTCOMES: Final = {
    "staged": "staged",
    "switched": "put on trial",
    "kept": "kept",
    "rolled back": "left again",
    "undone": "back in use",
    "abandoned": "not switched to",
    "repaired": "in use after a repair",
    "stuck": "kept for want of another",
}


@click.group()
def update() -> None:
    """Bring this gate to another release, and back.

    \b
      first      build the first slot, on a new machine            root, without
      check      what is offered, and why not what isn't          the updater, with the network
      fetch      bring the release that is due; stores only       the updater, with the network
      stage      verify it again and build the other slot         root, without
      switch     put the other slot on trial                      root, without
      status     which slot runs, what waits, what went wrong     anybody
      mark-good  keep the trial now; a gate does so by itself     root
      rollback   leave the trial, or undo the last release        root

    `auto` does as much of stage and switch as update.automatic of gate.toml says.
    """


@update.command()
@_config
@_source
def check(config: Path, source: str | None) -> None:
    """Say what is offered for this gate now; bring nothing.

    \b
    Example:
      menshen-firmware update check --from /media/stick
    """
    from firmware_tools.device import fetching, place  # noqa: PLC0415  TUF takes a quarter of a second to import

    here = _place(config)
    try:
        found, choice = fetching.look(here, _named(source) or here.source, place.moment())
    except place.UpdateFault as fault:
        raise Told(str(fault)) from fault
    for name, why in choice.why.items():
        click.echo(f"{name}: {why}")
    if choice.release:
        click.echo(
            f"{choice.release.version} is due, {choice.release.bytes / 1e6:.1f} MB; next: menshen-firmware update fetch"
        )
    elif not choice.why and not found.releases:
        click.echo("nothing is due: no releases are published there")
    else:
        click.echo("nothing is due")


@update.command()
@click.argument("version", required=False)
@_config
@_source
@click.option("--if-named", is_flag=True, help="End well where gate.toml names no source; for a timer.")
def fetch(version: str | None, config: Path, source: str | None, *, if_named: bool) -> None:
    """Bring the release that is due, or VERSION. A broken download goes on where it stopped.

    \b
    Example:
      menshen-firmware update fetch 0.2.0 --from /media/stick
    """
    from firmware_tools.device import fetching, place  # noqa: PLC0415  as above

    here = _place(config)
    if if_named and not (source or here.source):
        click.echo("nothing to do: update.source of gate.toml names no source of releases")
        return
    try:
        done = fetching.fetch(here, _named(source) or here.source, place.moment(), version)
    except place.UpdateFault as fault:
        raise Told(str(fault)) from fault
    if done.bundle and done.choice.release:
        click.echo(f"{done.choice.release.version} is here, verified; next: menshen-firmware update stage")
    else:
        click.echo("nothing is due; menshen-firmware update check says why")


@update.command()
@click.argument("version", required=False)
@_config
def stage(version: str | None, config: Path) -> None:
    """Verify what was fetched once more, and build the other slot from it.

    With VERSION, also an older one, if it is not below the floor.

    \b
    Example:
      menshen-firmware update stage
    """
    from firmware_tools.device import place, staging  # noqa: PLC0415  as above

    try:
        manifest = staging.stage(_place(config), place.moment(), version)
    except place.UpdateFault as fault:
        raise Told(str(fault)) from fault
    click.echo(f"{manifest.version} stands in the other slot; next: menshen-firmware update switch")


@update.command()
@click.argument("bundle", type=click.Path(path_type=Path, dir_okay=False))
@_config
@click.option(
    "--slots",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for the slots, where no gate.toml says it yet.",
)
def first(bundle: Path, config: Path, slots: Path | None) -> None:
    """Build the first slot of a machine that has none, from a bundle that you trust.

    \b
    Example:
      menshen-firmware update first menshen-0.2.0-x86_64.tar
    """
    from firmware_tools.device import guard, place, staging  # noqa: PLC0415  as above

    try:
        manifest = staging.first(guard.Slots(slots) if slots else _place(config).slots, bundle)
    except place.UpdateFault as fault:
        raise Told(str(fault)) from fault
    click.echo(f"{manifest.version} stands in slot a, and runs from the next start on")


@update.command()
@_config
@click.option("--by-hand", is_flag=True, help="Change the link alone, where no systemd runs the gate.")
def switch(config: Path, by_hand: bool) -> None:
    """Put the other slot on trial: the gate restarts, and goes back by itself if it does not prove well.

    \b
    With --by-hand, whoever starts the gate does what the units would:
      python -m firmware_tools.device.guard begin   before each start of the gate, from SLOTS/current
      python -m firmware_tools.device.guard watch   once it runs

    \b
    Example:
      menshen-firmware update switch
    """
    click.echo(
        f"{_switch(_place(config), by_hand=by_hand)} is on trial; menshen-firmware update status says how it does"
    )


@update.command()
@_config
def auto(config: Path) -> None:
    """Stage and switch what was fetched, as far as update.automatic allows; for a timer.

    \b
    Example:
      menshen-firmware update auto
    """
    from firmware_tools.device import place, staging  # noqa: PLC0415  as above

    here = _place(config)
    if here.automatic == "fetch" or not here.updates.is_dir():
        click.echo("nothing to do")
        return
    try:
        manifest = staging.stage(here, place.moment(), anew=False)
    except place.UpdateFault as fault:
        if str(fault).startswith("nothing is due"):
            click.echo(str(fault))
            return
        raise Told(str(fault)) from fault
    click.echo(f"{manifest.version} stands in the other slot")
    if here.automatic == "switch":
        click.echo(f"{_switch(here, by_hand=False)} is on trial")


@update.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(config: Path, as_json: bool) -> None:
    """Which slot runs, what waits beside it, and what became of the last releases.

    \b
    Example:
      menshen-firmware update status --json
    """
    here = _place(config)
    slots = here.slots
    state, current = slots.state(), slots.current()
    progress = _progress(here)
    about = {name: slots.about(name) for name in ("a", "b")}
    if as_json:
        from dataclasses import asdict  # noqa: PLC0415

        whole = {"current": current, "slots": about, "progress": progress, **asdict(state)}
        click.echo(json.dumps(whole, indent=1))
        return
    for name, one in about.items():
        role = "runs" if name == current else "waits" if one else "empty or not whole"
        if state.trial and state.trial.slot == name:
            role += f", on trial, start {state.trial.starts} of 3"
        click.echo(f"slot {name}   {one['version'] if one else '-':<8} {role}")
    click.echo(f"floor    {state.floor}")
    if progress:
        more = f" {progress.get('percent')} %" if progress.get("phase") == "fetching" else ""
        said = " ".join(filter(None, (progress.get("phase"), progress.get("version"), progress.get("why"))))
        click.echo(f"updater  {said}{more}, {progress.get('at')}")
    for version, why in state.failed.items():
        click.echo(f"failed   {version}: {why}")
    for entry in state.history[-5:]:
        from datetime import UTC, datetime  # noqa: PLC0415

        at = datetime.fromtimestamp(entry["at"], UTC)
        why = f": {entry['why']}" if entry["why"] else ""
        click.echo(
            f"{at:%Y-%m-%d %H:%M}  {entry['version']} {_OUTCOMES.get(entry['what'], entry['what'])}{why}"
        )


@update.command()
@_config
@click.option("--why", default="asked to", help="For the record and the office.")
def rollback(config: Path, why: str) -> None:
    """Leave the trial, or go back to the release before; never below the floor.

    \b
    Example:
      menshen-firmware update rollback --why 'the lamp stays dark'
    """
    from firmware_tools.device import guard  # noqa: PLC0415

    slots = _place(config).slots
    try:
        said = slots.go_back(why)
        click.echo(said)
        guard.hand_over(slots)
    except (guard.GuardFault, OSError) as fault:
        raise Told(str(fault)) from fault


@update.command("mark-good")
@_config
def mark_good(config: Path) -> None:
    """Keep the trial without waiting for its health check.

    \b
    Example:
      menshen-firmware update mark-good
    """
    from firmware_tools.device import guard  # noqa: PLC0415

    try:
        version = _place(config).slots.keep()
    except (guard.GuardFault, OSError) as fault:
        raise Told(str(fault)) from fault
    click.echo(f"{version} is kept")


def _switch(here: "Place", *, by_hand: bool) -> str:
    from firmware_tools.device import guard  # noqa: PLC0415

    if not by_hand and (why := guard.unwatched()):
        raise Told(
            f"the other slot is not put on trial: {why}, so nobody would watch it and go back. "
            "Start the gate yourself and use: menshen-firmware update switch --by-hand"
        )
    try:
        version = here.slots.switch(online=_online(here))
        if not by_hand:
            guard.hand_over(here.slots, watcher=True)
    except (guard.GuardFault, OSError) as fault:
        raise Told(str(fault)) from fault
    return version


def _place(config: Path) -> "Place":
    from firmware_tools.device import place  # noqa: PLC0415

    try:
        return place.Place.read(config)
    except place.UpdateFault as fault:
        raise Told(str(fault)) from fault


def _named(source: str | None) -> str | None:
    return source if source is None or "://" in source or source.startswith("dir:") else f"dir:{source}"


def _online(here: "Place") -> bool:
    try:
        return json.loads(here.link_file.read_bytes()[:4096]).get("online") is True
    except (OSError, ValueError, AttributeError):
        return False


def _progress(here: "Place") -> dict[str, str]:
    try:
        found = json.loads(here.progress_file.read_bytes()[:4096])
    except (OSError, ValueError):
        return {}
    return {k: str(v) for k, v in found.items()} if isinstance(found, dict) else {}
