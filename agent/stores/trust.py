"""From a root of trust to a verified list head and what was denied since, with The Update Framework.

The rules are python-tuf's client's, not ours; this module gives it a source,
a clock and low limits, adds floors that survive torn files, and reads out
what was proven. `sync` runs it on what the network brings and `gate` runs it
again on what sync stored, each with a memory of its own, so that neither
needs to believe the other. It refuses to know how files travel or where a
list is kept.

Importing this module costs a quarter of a second; its callers import it when
they first need it.
"""

import contextlib
from collections.abc import Iterator, Mapping
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
from tuf.api.metadata import Root, Signed, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from agent.core.allowlist import HEAD_TARGET, ISSUED_FIELD, SITE_FIELD, Head, ListFault
from agent.core.hot import HOT_TARGET, Denials
from agent.core.moments import Moment
from agent.stores.anchor import Anchor
from agent.stores.floors import Floors, Seen, bound_to
from agent.stores.lists import MAX_FILE_BYTES
from agent.stores.sources import Source, SourceFault, Unreachable

ROLE: Final = "allowlist"
HOT_ROLE: Final = "revoke"
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
class Verified:
    """A head and denials that the root of trust vouches for at a moment.

    Args:
        head_bytes: the target al/head as signed.
        denials: the target rv/hot of the same moment.
        files: every file that proves it, by its path in the repository; among them the head.
        expires_utc: the earliest end among all signatures relied on.
        renewed_utc: when the office last signed that this is its newest list; 0 if it does not say.
    """

    head: Head
    head_bytes: bytes
    denials: Denials
    files: Mapping[str, bytes]
    expires_utc: float
    renewed_utc: float


def verify(source: Source, anchor: Anchor, now: Moment) -> Verified:
    """Follow the signatures from the installed root to al/head and rv/hot.

    Args:
        source: the repository's files.
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
            return _verify(source, anchor, memory, floors, now)
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
        raise Distrust(f"the list could not be verified: {type(fault).__name__}: {fault}") from fault


def _verify(source: Source, anchor: Anchor, memory: Path, floors: Floors, now: Moment) -> Verified:
    updater = Updater(
        str(memory), metadata_base_url="/", fetcher=_Fetcher(source), config=_LIMITS, bootstrap=anchor.root
    )
    # The client has no public clock. Its rules compare every expiry with this one
    # field, set when the object is made; the version is pinned and a test watches it.
    trusted = updater._trusted_set  # noqa: SLF001
    trusted.reference_time = datetime.fromtimestamp(now.utc, UTC)
    installed = trusted.root.version

    path, head_bytes = _target(updater, source, HEAD_TARGET, ROLE)
    if (named := trusted.root.unrecognized_fields.get(SITE_FIELD)) != anchor.site:
        raise Distrust(
            f"the root of trust is for site {named!r}, and this gate is at {anchor.site!r}; enrol it again"
        )
    head = _head(head_bytes, anchor.site)
    hot_path, hot_bytes = _target(updater, source, HOT_TARGET, HOT_ROLE)
    denials = _denials(hot_bytes, anchor.site)

    signed: dict[str, Signed] = {
        "timestamp": trusted.timestamp,
        "snapshot": trusted.snapshot,
        "targets": trusted.targets,
        ROLE: trusted[ROLE],
        HOT_ROLE: trusted[HOT_ROLE],
    }
    seen = _seen(anchor.root, trusted.root, trusted.targets, signed, head)
    if (older := floors.below(seen)) is not None:
        raise Distrust(f"rolled back: {older}; ask the office to publish again")
    floors.rise(seen)

    files = {
        f"{n}.root.json": f"root_history/{n}.root.json"
        for n in range(installed + 1, trusted.root.version + 1)
    }
    files["timestamp.json"] = "timestamp.json"
    files |= {f"{signed[name].version}.{name}.json": f"{name}.json" for name in list(signed)[1:]}
    targets = {path: head_bytes, hot_path: hot_bytes}
    return Verified(
        head,
        head_bytes,
        denials,
        {name: (memory / kept).read_bytes() for name, kept in files.items()} | targets,
        min(one.expires.timestamp() for one in (trusted.root, *signed.values())),
        _renewed(trusted.timestamp),
    )


def _target(updater: Updater, source: Source, name: str, role: str) -> tuple[str, bytes]:
    """A target that must be there: its path in the repository, and its verified bytes."""
    target = updater.get_targetinfo(name)
    trusted = updater._trusted_set  # noqa: SLF001  as above
    signed = trusted.get(role)
    if target is None or not isinstance(signed, Targets):
        raise Distrust(f"no {name} is signed by the role {role}; ask the office to publish")
    if others := sorted(signed.targets.keys() - {name}):
        # Nobody would ask this role for firmware; but a key that tries is in the wrong hands.
        raise Distrust(f"the role {role} lists {others[0][:80]}, wanted {name} alone; replace its keys")
    path = f"{name.partition('/')[0]}/{target.hashes['sha256']}.{name.partition('/')[2]}"
    data = source.fetch(path, MAX_FILE_BYTES)
    if data is None:
        raise Distrust(f"the repository has no {path}; the copy is incomplete")
    target.verify_length_and_hashes(data)
    return path, data


def _denials(data: bytes, site: str) -> Denials:
    try:
        denials = Denials.from_bytes(data)
    except ListFault as fault:
        raise Distrust(str(fault)) from fault
    if denials.site != site:
        raise Distrust(f"{HOT_TARGET} is for site {denials.site!r}, and this gate is at {site!r}")
    return denials


def _renewed(timestamp: Timestamp) -> float:
    said = timestamp.unrecognized_fields.get(ISSUED_FIELD)
    return float(said) if type(said) is int and 0 < said < timestamp.expires.timestamp() else 0.0


def _head(data: bytes, site: str) -> Head:
    try:
        head = Head.from_bytes(data)
    except ListFault as fault:
        raise Distrust(str(fault)) from fault
    if head.site != site:
        raise Distrust(f"the list is for site {head.site!r}, and this gate is at {site!r}")
    return head


def _seen(
    installed: bytes, root: Root, targets: Targets, signed: Mapping[str, Signed], head: Head
) -> list[Seen]:
    delegations = targets.delegations
    delegated = delegations.roles if delegations is not None else None
    keys = {name: bound_to(root.roles[name].keyids) for name in ("timestamp", "snapshot", "targets")}
    for name in (ROLE, HOT_ROLE):
        if not delegated or name not in delegated:
            raise Distrust(f"the targets role delegates no {name}; hold the key ceremony again")
        keys[name] = bound_to(delegated[name].keyids)
    seen = [Seen("root", bound_to([installed.hex()]), root.version)]
    seen += [Seen(name, keys[name], one.version) for name, one in signed.items()]
    seen.append(Seen("head", keys[ROLE], head.number))
    if max(one.version for one in seen) > _HIGHEST:
        raise Distrust("a version number is beyond any that a publisher reaches; replace the role's keys")
    return seen


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
