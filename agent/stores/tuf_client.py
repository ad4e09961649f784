"""Following signatures from a root of trust, with The Update Framework.

The rules are python-tuf's client's, not ours; this module gives it a source,
a clock and low limits, and adds floors that survive torn files. Lists
(agent.stores.trust) and releases (firmware_tools.device) are both read
through it. It refuses to know what a target says, how files travel, or where
anything is kept.

Importing this module costs a quarter of a second; its callers import it when
they first need it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Root, Signed, TargetFile, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from agent.core.allowlist import SITE_FIELD
from agent.core.moments import Moment
from agent.stores.anchor import Anchor
from agent.stores.floors import Floors, Seen, bound_to
from agent.stores.sources import MAX_FILE_BYTES, Source, SourceFault, Unreachable

_HIGHEST: Final = 1 << 62
_LIMITS: Final = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=8,
    root_max_length=MAX_FILE_BYTES,
    timestamp_max_length=16 * 1024,
    snapshot_max_length=MAX_FILE_BYTES,
    targets_max_length=MAX_FILE_BYTES,
)


class Distrust(Exception):
    """What was offered is not believed; the text says why, for the event and the office."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What vouches for some roles' targets.

    Args:
        files: every metadata file relied on, by its path in the repository.
        expires_utc: the earliest end among their signatures.
    """

    files: Mapping[str, bytes]
    expires_utc: float


class Following:
    """One walk from the installed root to delegated roles; made by following()."""

    def __init__(self, source: Source, anchor: Anchor, memory: Path, floors: Floors, now: Moment) -> None:
        self._source, self._anchor, self._memory, self._floors = source, anchor, memory, floors
        self._updater = Updater(
            str(memory),
            metadata_base_url="/",
            fetcher=_Fetcher(source),
            config=_LIMITS,
            bootstrap=anchor.root,
        )
        # The client has no public clock. Its rules compare every expiry with this one
        # field, set when the object is made; the version is pinned and a test watches it.
        self._trusted = self._updater._trusted_set  # noqa: SLF001
        self._trusted.reference_time = datetime.fromtimestamp(now.utc, UTC)
        self._installed: int = self._trusted.root.version

    @property
    def timestamp(self) -> Timestamp:
        """The newest timestamp, once a role has been asked for."""
        return self._trusted.timestamp

    def published(self, role: str) -> bool:
        """Whether a delegated role was ever published; once it was, no repository can leave it out again.

        Raises:
            Distrust: the root is another site's.
        """
        self._updater.refresh()
        self._of_this_site()
        return f"{role}.json" in self._trusted.snapshot.meta

    def role(self, name: str, role: str) -> tuple[Targets, TargetFile | None]:
        """A delegated role, and the target of this name that it lists, if it does.

        Raises:
            Distrust: nobody has signed for the role, or the root is another site's.
        """
        target = self._updater.get_targetinfo(name)
        signed = self._trusted.get(role)
        self._of_this_site()
        if not isinstance(signed, Targets):
            raise Distrust(f"no {name} is signed by the role {role}; ask the office to publish")
        return signed, target

    def _of_this_site(self) -> None:
        if (named := self._trusted.root.unrecognized_fields.get(SITE_FIELD)) != self._anchor.site:
            raise Distrust(
                f"the root of trust is for site {named!r}, and this gate is at {self._anchor.site!r}; "
                "enrol it again"
            )

    def fetch(self, target: TargetFile) -> tuple[str, bytes]:
        """A small target: its path in the repository, and its verified bytes."""
        path = path_of(target)
        data = self._source.fetch(path, MAX_FILE_BYTES)
        if data is None:
            raise Distrust(f"the repository has no {path}; the copy is incomplete")
        target.verify_length_and_hashes(data)
        return path, data

    def settle(self, roles: Sequence[str], numbers: Mapping[str, int]) -> Proof:
        """Hold what was followed against the floors, and raise them.

        Args:
            roles: the delegated roles that were asked for.
            numbers: further counts that must not go back, each bound to the first role's keys.
        Raises:
            Distrust: something is older than what was here before.
        """
        trusted = self._trusted
        names = ("timestamp", "snapshot", "targets", *roles)
        signed: dict[str, Signed] = {name: trusted[name] for name in names}
        seen = self._seen(signed, roles, numbers)
        if (older := self._floors.below(seen)) is not None:
            raise Distrust(f"rolled back: {older}; ask the office to publish again")
        self._floors.rise(seen)
        files = {
            f"{n}.root.json": f"root_history/{n}.root.json"
            for n in range(self._installed + 1, trusted.root.version + 1)
        }
        files["timestamp.json"] = "timestamp.json"
        files |= {f"{signed[name].version}.{name}.json": f"{name}.json" for name in names[1:]}
        return Proof(
            {name: (self._memory / kept).read_bytes() for name, kept in files.items()},
            min(one.expires.timestamp() for one in (trusted.root, *signed.values())),
        )

    def _seen(
        self, signed: Mapping[str, Signed], roles: Sequence[str], numbers: Mapping[str, int]
    ) -> list[Seen]:
        root: Root = self._trusted.root
        delegations = self._trusted.targets.delegations
        delegated = delegations.roles if delegations is not None else None
        keys = {name: bound_to(root.roles[name].keyids) for name in ("timestamp", "snapshot", "targets")}
        for name in roles:
            if not delegated or name not in delegated:
                raise Distrust(f"the targets role delegates no {name}; hold the key ceremony again")
            keys[name] = bound_to(delegated[name].keyids)
        seen = [Seen("root", bound_to([self._anchor.root.hex()]), root.version)]
        seen += [Seen(name, keys[name], one.version) for name, one in signed.items()]
        seen += [Seen(name, keys[roles[0]], number) for name, number in numbers.items()]
        if max(one.version for one in seen) > _HIGHEST:
            raise Distrust("a version number is beyond any that a publisher reaches; replace the role's keys")
        return seen


@contextlib.contextmanager
def following(source: Source, anchor: Anchor, now: Moment) -> Iterator[Following]:
    """Begin at the installed root.

    Args:
        source: the repository's files; hostile until verified.
        anchor: the calling process's own.
        now: floored by the caller; decides expiry.
    Raises:
        Unreachable: the source does not answer.
        Distrust: for whatever other reason; nothing else escapes.
    """
    try:
        memory = anchor.state / "tuf"
        memory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.closing(Floors(anchor.state / "floors.db")) as floors:
            yield Following(source, anchor, memory, floors, now)
    except Distrust:
        raise
    except RepositoryError as fault:
        raise Distrust(_sentence(fault)) from fault
    except DownloadHTTPError as fault:
        raise Distrust(f"the repository has no {fault}; the copy is incomplete") from fault
    except (DownloadError, SourceFault) as fault:
        if unreachable := _unreachable(fault):
            raise unreachable from fault
        raise Distrust(f"the repository can't be read: {fault}") from fault
    # Hostile bytes went through two libraries: a kind of fault nobody foresaw is still a refusal.
    except Exception as fault:
        raise Distrust(f"what is offered could not be verified: {type(fault).__name__}: {fault}") from fault


def path_of(target: TargetFile) -> str:
    """Where a target lies in the repository, by its SHA-256 (TUF's consistent snapshots)."""
    folder, _, name = target.path.partition("/")
    return f"{folder}/{target.hashes['sha256']}.{name}"


def _sentence(fault: RepositoryError) -> str:
    match fault:
        case ExpiredMetadataError():
            return f"expired: {fault}; the office must publish again, or somebody holds its lists back"
        case BadVersionNumberError():
            return f"rolled back or mixed: {fault}; ask the office to publish again"
        case UnsignedMetadataError():
            return f"too few good signatures: {fault}; ask the office which keys it signed with"
        case LengthOrHashMismatchError():
            return f"damaged or mixed: {fault}; copy the repository again, whole"
        case _:
            why = f": {fault.__cause__}" if fault.__cause__ else ""
            return f"not a repository this gate can trust: {fault}{why[:200]}"


def _unreachable(fault: BaseException | None) -> Unreachable | None:
    """What the client wrapped, if it was that nobody answered."""
    while fault is not None and not isinstance(fault, Unreachable):
        fault = fault.__cause__
    return fault


class _Fetcher(FetcherInterface):
    """The client's transport: our source, bounded once more."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix("/")
        try:
            data = self._source.fetch(path, MAX_FILE_BYTES)
        except SourceFault as fault:
            raise DownloadError(str(fault)) from fault
        if data is None:
            raise DownloadHTTPError(path, 404)
        return iter((data,))
