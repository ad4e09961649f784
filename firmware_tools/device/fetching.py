"""The updater: it has the network, believes nothing, and stores verified bytes.

It looks at what is signed, chooses for this gate, brings the bundle, and keeps
both in a folder that looks like the part of the published repository that
matters here. Whoever installs from there verifies again; see
firmware_tools.device.staging.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.core.moments import Moment, iso
from agent.stores.http_source import HttpSource
from agent.stores.sources import DirectorySource, Source, SourceFault
from agent.stores.tuf_client import Distrust
from firmware_tools.device import download
from firmware_tools.device.offers import Choice, Offers, Release, asked_for, choose, offers
from firmware_tools.device.place import Place, UpdateFault
from firmware_tools.private_files import write_over

_STAMP: Final = "timestamp.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a look at the source came to.

    Args:
        bundle: where the chosen release lies; None if there is none.
    """

    choice: Choice
    bundle: Path | None


def look(place: Place, source: str, now: Moment) -> tuple[Offers, Choice]:
    """What is offered, and what of it is for this gate now.

    Raises:
        UpdateFault: nobody answers, or what is offered is not believed.
    """
    state, slots = place.slots.state(), place.slots
    about = slots.about(slots.current() or state.good)
    try:
        with contextlib.closing(_Open(source)) as opened:
            found = offers(opened.source, place.anchor("updates"), now)
    except (Distrust, SourceFault) as fault:
        raise UpdateFault(str(fault)) from fault
    running = str(about["version"]) if about else "0.0.0"
    return found, choose(found, place, running, state.floor, state.failed)


def fetch(place: Place, source: str, now: Moment, version: str | None = None) -> Fetched:
    """Bring the release that is for this gate now, if there is one.

    Args:
        version: a certain one instead, whoever's turn it is; not below the floor.
    Raises:
        UpdateFault: as for look; or there is no room, or the line broke, and the next attempt goes on.
    """
    progress = Progress(place.progress_file, now)
    try:
        found, choice = look(place, source, now)
        release = choice.release
        if version is not None:
            release = asked_for(found, place, version, place.slots.state().floor, "fetched")
        if release is None:
            progress.say("current", "", 0)
            return Fetched(choice, None)
        try:
            bundle = download.bring(source, release, place.updates, lambda have: progress.of(release, have))
        except SourceFault as fault:
            raise UpdateFault(str(fault)) from fault
        _keep_proof(place.updates, found.files)
        _forget_others(place.updates, release, found.files)
        progress.say("fetched", release.version, 100)
        return Fetched(Choice(release, choice.why), bundle)
    except UpdateFault as fault:
        progress.say("refused", "", 0, str(fault))
        raise
    except OSError as fault:
        raise UpdateFault(f"{place.updates} can't be written: {fault.strerror or fault}") from fault


class Progress:
    """How far the updater is, in a small file; not flushed, since a power cut makes it worthless anyway."""

    def __init__(self, path: Path, now: Moment) -> None:
        self._path, self._now = path, now

    def of(self, release: Release, have: int) -> None:
        self.say("fetching", release.version, 100 * have // release.bytes)

    def say(self, phase: str, version: str, percent: int, why: str = "") -> None:
        fields = {
            "at": iso(self._now.utc),
            "phase": phase,
            "version": version,
            "percent": percent,
            "why": why[:200],
        }
        beside = self._path.with_name(f".{self._path.name}.new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            beside.write_text(json.dumps(fields), encoding="utf-8")
            beside.replace(self._path)


class _Open:
    """A source by its name, to be closed."""

    def __init__(self, name: str) -> None:
        kind, _, path = name.partition(":")
        if kind == "dir":
            self.source: Source = DirectorySource(Path(path))
        elif kind in {"http", "https"}:
            self.source = HttpSource(name)
        else:
            raise UpdateFault(
                "found no source of releases; set update.source in gate.toml to http://…, https://… or dir:/path, "
                "or give --from (a broker carries lists, and no releases)"
            )

    def close(self) -> None:
        if isinstance(self.source, HttpSource):
            self.source.close()


def _keep_proof(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the metadata, timestamp.json last: whoever finds it finds what it names."""
    for name, data in sorted(files.items(), key=lambda item: item[0] == _STAMP):
        path = folder / name
        if not path.is_file() or path.read_bytes() != data:
            write_over(path, data, 0o640)


def _forget_others(folder: Path, release: Release, files: Mapping[str, bytes]) -> None:
    keep = {folder / name for name in files} | {folder / release.path}
    for path in (*folder.glob("*.json"), *(folder / "fw").glob("*")):
        if path not in keep:
            path.unlink(missing_ok=True)
