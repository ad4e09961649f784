"""menshen-firmware release: on the machines of those who make releases."""

import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from firmware_tools.told import Told

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, TargetFile, Targets

    from firmware_tools.manifest import Manifest
    from firmware_tools.rollout import Rollout

_DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_HERE: Final = Path(__file__).resolve().parent.parent
_releases = click.option(
    "--releases",
    "folder",
    required=True,
    type=_DIRECTORY,
    help="The folder of releases, handed from keeper to keeper.",
)
_gates = click.option(
    "--gate", "gates", multiple=True, metavar="GATE", help="A canary, first of all; repeatable."
)
_percent = click.option(
    "--percent", type=click.IntRange(0, 100), help="How many of all other gates; none of a new release."
)


@click.group()
def release() -> None:
    """Build a release, sign it with two keys, and put it where gates look.

    \b
    1.  release build --wheels WHEELS --out OUT
    2.  release draft OUT/menshen-….tar --releases RELEASES --gate north
    3.  release show RELEASES, and release sign --releases RELEASES --keys KEYS: two keepers, each
    4.  release publish --releases RELEASES --to PUBLISHED, then menshen-office renew
    5.  release rollout 1.2.3 --releases RELEASES --percent 10, and 3 and 4 again
    """


@release.command()
@click.option(
    "--wheels",
    required=True,
    type=_DIRECTORY,
    help="Wheels of everything that pins.txt lists, and of menshen.",
)
@click.option("--out", required=True, type=_DIRECTORY, help="Where the bundle goes.")
@click.option(
    "--pins",
    type=_FILE,
    default=_HERE / "requirements" / "gate.txt",
    help="Hashes that the wheels must have.",
)
@click.option("--units", type=_DIRECTORY, default=_HERE / "systemd", help="The units.")
@click.option(
    "--arch", default=platform.machine(), show_default=True, help="As uname -m says it on the gates."
)
@click.option(
    "--python",
    default="{}.{}".format(*sys.version_info[:2]),
    show_default=True,
    help="Of the gates' base system.",
)
@click.option(
    "--floor", default="0.0.0", show_default=True, help="Once kept, a gate goes back no further than this."
)
@click.option(
    "--built", type=int, metavar="UNIX_SECONDS", help="The build time, for the same bytes again; else now."
)
@click.option(
    "--built-here",
    multiple=True,
    metavar="NAME",
    help="A wheel made here from its pinned source; repeatable.",
)
def build(  # noqa: PLR0913, PLR0917  an option each
    wheels: Path,
    out: Path,
    pins: Path,
    units: Path,
    arch: str,
    python: str,
    floor: str,
    built: int | None,
    built_here: tuple[str, ...],
) -> None:
    """Build a bundle from wheels, units and boards: the same input makes the same bytes.

    \b
    Example:
      pip wheel --require-hashes -r requirements/gate.txt -w WHEELS && pip wheel --no-deps . -w WHEELS
      menshen-firmware release build --wheels WHEELS --out OUT --built-here cobs
    """
    from firmware_tools import building  # noqa: PLC0415  wants the extra `release`
    from firmware_tools.manifest import BundleFault  # noqa: PLC0415

    recipe = building.Recipe(
        wheels=wheels,
        pins=pins,
        units=units,
        boards=_HERE / "hw" / "boards",
        forms=_HERE / "agent" / "stores" / "forms.toml",
        arch=arch,
        python=python,
        floor=floor,
        built_utc=built or int(time.time()),
        built_here=frozenset(built_here),
    )
    try:
        path, manifest = building.build(recipe, out)
    except BundleFault as fault:
        raise Told(str(fault)) from fault
    _tell_bundle(path, manifest)


@release.command()
@click.argument("bundles", nargs=-1, required=True, type=_FILE)
@_releases
@_gates
@_percent
def draft(bundles: tuple[Path, ...], folder: Path, gates: tuple[str, ...], percent: int | None) -> None:
    """List bundles as the next release, for the keepers to sign.

    \b
    Example:
      menshen-firmware release draft OUT/menshen-0.2.0-x86_64.tar --releases RELEASES --gate north
    """
    from firmware_tools import releases  # noqa: PLC0415  TUF takes a quarter of a second to import
    from firmware_tools.key_files import CeremonyFault  # noqa: PLC0415
    from firmware_tools.manifest import BundleFault  # noqa: PLC0415
    from firmware_tools.rollout import Rollout  # noqa: PLC0415

    try:
        drafted = releases.draft(folder, bundles, _rollout(Rollout, gates, percent or 0), datetime.now(UTC))
    except (CeremonyFault, BundleFault) as fault:
        raise Told(str(fault)) from fault
    _tell_role(drafted.metadata, "draft, not signed")


@release.command()
@click.argument("version")
@_releases
@_gates
@_percent
@click.option("--hold/--go-on", default=None, help="Nobody gets it any more who has not begun; or again.")
def rollout(
    version: str, folder: Path, gates: tuple[str, ...], percent: int | None, hold: bool | None
) -> None:
    """Change who gets a release: more gates, or none. It counts when it is signed and published.

    What is not given stays as it was; with --gate, those given are the canaries from now on.

    \b
    Examples:
      menshen-firmware release rollout 0.2.0 --releases RELEASES --percent 25
      menshen-firmware release rollout 0.2.0 --releases RELEASES --hold
    """
    from firmware_tools import releases  # noqa: PLC0415  as above
    from firmware_tools.key_files import CeremonyFault  # noqa: PLC0415

    given: dict[str, object] = {"gates": gates or None, "percent": percent, "hold": hold}
    changes = {name: value for name, value in given.items() if value is not None}
    try:
        drafted = releases.redraft(folder, version, changes, datetime.now(UTC))
    except CeremonyFault as fault:
        raise Told(str(fault)) from fault
    _tell_role(drafted.metadata, "draft, not signed")


@release.command()
@_releases
@click.option(
    "--keys", "keys_dir", required=True, type=_DIRECTORY, help="keys.json and at least one firmware key."
)
@click.option(
    "--passphrase-file",
    type=_FILE,
    help="Read the passphrase from the first line of FILE, mode 0600; else ask.",
)
def sign(folder: Path, keys_dir: Path, passphrase_file: Path | None) -> None:
    """Sign the draft with each firmware key that is there; the second signature makes it a release.

    Every bundle that the draft names is hashed first.

    \b
    Example:
      menshen-firmware release sign --releases RELEASES --keys KEYS
    """
    from firmware_tools import passphrases, releases  # noqa: PLC0415  as above
    from firmware_tools.key_files import CeremonyFault  # noqa: PLC0415

    try:
        signed = releases.sign(folder, keys_dir, passphrases.read(passphrase_file, twice=False))
    except CeremonyFault as fault:
        raise Told(str(fault)) from fault
    by = f"signed by {', '.join(signed.signed_by)}"
    if signed.published_as is None:
        _tell_role(signed.metadata, by)
        click.echo(
            f"{len(signed.signed_by)} of {signed.threshold} signatures: hand {folder} to the next keeper."
        )
        return
    _tell_role(signed.metadata, by)
    click.echo(f"wrote {signed.published_as}; next: menshen-firmware release publish")


@release.command()
@_releases
@click.option(
    "--to", "repo", required=True, type=_DIRECTORY, help="The site's published list (menshen-office publish)."
)
def publish(folder: Path, repo: Path) -> None:
    """Put the signed releases beside a site's published list.

    \b
    Example:
      menshen-firmware release publish --releases RELEASES --to PUBLISHED
    """
    from firmware_tools import releases  # noqa: PLC0415  as above
    from firmware_tools.key_files import CeremonyFault  # noqa: PLC0415

    try:
        written = releases.publish(folder, repo)
    except CeremonyFault as fault:
        raise Told(str(fault)) from fault
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(
        "Gates see it after the office's next `menshen-office renew` or `publish`."
        if written
        else "nothing new"
    )


@release.command()
@click.argument("path", type=click.Path(path_type=Path))
def show(path: Path) -> None:
    """Show a bundle, every byte of it checked; or what a folder of releases lists, and who has signed.

    \b
    Example:
      menshen-firmware release show RELEASES
    """
    from firmware_tools import bundle, releases  # noqa: PLC0415  as above
    from firmware_tools.key_files import CeremonyFault  # noqa: PLC0415
    from firmware_tools.manifest import BundleFault  # noqa: PLC0415

    try:
        if not path.is_dir():
            _tell_bundle(path, bundle.inspect(path))
            return
        signed, drafted = releases.current(path), releases.draft_of(path)
    except (CeremonyFault, BundleFault) as fault:
        raise Told(str(fault)) from fault
    if signed is None and drafted is None:
        raise Told(f"found neither releases nor a draft in {path}")
    if signed is not None:
        _tell_role(signed, f"{len(signed.signatures)} signatures")
    if drafted is not None:
        _tell_role(drafted, f"draft, {len(drafted.signatures)} signatures")


def _rollout(made: "type[Rollout]", gates: tuple[str, ...], percent: int) -> "Rollout":
    from pydantic import ValidationError  # noqa: PLC0415

    from firmware_tools.manifest import sentences  # noqa: PLC0415

    try:
        return made(gates=gates, percent=percent)
    except ValidationError as fault:
        raise Told(sentences(fault)) from fault


def _tell_bundle(path: Path, manifest: "Manifest") -> None:
    import hashlib  # noqa: PLC0415

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    wheels = sum(name.startswith("wheels/") for name in manifest.files)
    click.echo(f"{path}")
    click.echo(f"  sha256   {digest}")
    click.echo(
        f"  version  {manifest.version}, built {datetime.fromtimestamp(manifest.built_utc, UTC):%Y-%m-%d %H:%M} UTC"
    )
    click.echo(
        f"  for      {manifest.fits.arch}, Python {manifest.fits.python}, boards {', '.join(manifest.fits.boards)}"
    )
    click.echo(f"  floor    {manifest.floor}")
    forms = ", ".join(f"{name} {store.writes}" for name, store in sorted(manifest.stores.items()))
    click.echo(f"  writes   {forms}")
    click.echo(
        f"  holds    {wheels} wheels, {len(manifest.files) - wheels} other files; "
        f"{path.stat().st_size / 1e6:.1f} MB, {manifest.unpacked_bytes / 1e6:.0f} MB installed"
    )


def _tell_role(metadata: "Metadata[Targets]", how: str) -> None:
    role = metadata.signed
    click.echo(f"releases {role.version}, until {role.expires:%Y-%m-%d} ({how})")
    for target in role.targets.values():
        _tell_target(target)


def _tell_target(target: "TargetFile") -> None:
    from firmware_tools.releases import terms_of, why_not  # noqa: PLC0415

    click.echo(f"  {target.path.removeprefix('fw/')}  {target.length / 1e6:.1f} MB")
    click.echo(f"    sha256  {target.hashes.get('sha256', '?')}")
    if (terms := terms_of(target)) is None:
        click.echo(f"    not understood: {why_not(target)}")
        return
    to = [f"gates {', '.join(terms.rollout.gates)}"] if terms.rollout.gates else []
    to.append(f"{terms.rollout.percent} % of {'the others' if to else 'gates'}")
    click.echo(
        f"    goes to {'nobody: held back' if terms.rollout.hold else ', '.join(to)}; floor {terms.floor}"
    )
