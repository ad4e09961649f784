"""What the two vendor keys offer, and which of it is for this gate now.

The signatures are followed from the gate's own root of trust, with the same
client as the list. The rules after that are this module's: never below the
floor, never for another machine, never again what failed here, and not before
its turn. Nothing is downloaded here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.core.moments import Moment
from agent.stores.anchor import Anchor
from agent.stores.sources import Source
from agent.stores.tuf_client import following, path_of
from firmware_tools.bundle import MAX_BUNDLE_BYTES
from firmware_tools.device.place import Place, UpdateFault
from firmware_tools.releases import ROLE, terms_of, why_not
from firmware_tools.rollout import Terms
from firmware_tools.versions import order

_ANY: Final = "fw/any"


@dataclass(frozen=True, slots=True)
class Release:
    """One signed bundle.

    Args:
        path: in the repository.
    """

    path: str
    bytes: int
    sha256: str
    terms: Terms

    @property
    def version(self) -> str:
        return self.terms.version


@dataclass(frozen=True, slots=True)
class Offers:
    """What is signed at a moment.

    Args:
        files: the metadata that proves it, by path in the repository.
        faulty: targets that say what is not understood, and what that is.
    """

    releases: Sequence[Release]
    files: Mapping[str, bytes]
    faulty: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """Args: why: of each release that is not taken, the reason."""

    release: Release | None
    why: Mapping[str, str]


def offers(source: Source, anchor: Anchor, now: Moment) -> Offers:
    """Follow the signatures to the firmware role.

    Raises:
        Unreachable: the source does not answer.
        Distrust: for whatever other reason.
    """
    with following(source, anchor, now) as walk:
        if not walk.published(ROLE):
            return Offers((), walk.settle((), {}).files, ())
        role, _ = walk.role(_ANY, ROLE)
        proof = walk.settle((ROLE,), {})
        releases, faulty = [], []
        for target in role.targets.values():
            terms = terms_of(target)
            if terms is None or set(target.hashes) != {"sha256"}:
                faulty.append((target.path, why_not(target) or "it wants a SHA-256 alone"))
            elif not 0 < target.length <= MAX_BUNDLE_BYTES:
                faulty.append((target.path, f"it has {target.length} bytes, more than {MAX_BUNDLE_BYTES}"))
            else:
                releases.append(Release(path_of(target), target.length, target.hashes["sha256"], terms))
        return Offers(releases, proof.files, faulty)


def choose(found: Offers, place: Place, running: str, floor: str, failed: Mapping[str, str]) -> Choice:
    """The newest release that this gate should have now, if it is newer than what runs."""
    why: dict[str, str] = dict(found.faulty)
    for release in sorted(found.releases, key=lambda one: order(one.version), reverse=True):
        reason = refuses(release, place, floor) or _later(release, place, running, failed)
        if reason is None:
            return Choice(release, why)
        why[release.path.rpartition("/")[2].partition(".")[2]] = reason
    return Choice(None, why)


def asked_for(found: Offers, place: Place, version: str, floor: str, deed: str) -> Release:
    """A certain release, newer or older, whoever's turn it is.

    Args:
        deed: what is not done with it, if it can't be: `fetched` or `installed`.
    Raises:
        UpdateFault: it is not there for this machine, or below the floor.
    """
    for release in found.releases:
        if release.version == version and not release.terms.fits.misfit(
            place.board, place.arch, place.python
        ):
            if why := refuses(release, place, floor):
                raise UpdateFault(f"{version} is not {deed}: {why}")
            return release
    known = ", ".join(sorted({one.version for one in found.releases}, key=order)) or "none"
    raise UpdateFault(f"found no release {version} for this gate, wanted one of {known}")


def refuses(release: Release, place: Place, floor: str) -> str | None:
    """Why a release can't be installed on this gate at all; None if it can."""
    terms = release.terms
    if misfit := terms.fits.misfit(place.board, place.arch, place.python):
        return misfit
    if order(terms.version) < order(floor):
        return f"it is older than {floor}, below which nothing is installed here any more"
    return None


def _later(release: Release, place: Place, running: str, failed: Mapping[str, str]) -> str | None:
    if order(release.version) <= order(running):
        return (
            f"{running} runs already"
            if release.version == running
            else f"it is older than {running}, which runs"
        )
    if release.version in failed:
        return f"it was tried here and left: {failed[release.version]}"
    return release.terms.rollout.not_yet(place.site, place.gate, release.version)
