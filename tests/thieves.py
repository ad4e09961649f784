"""What thieves of an office's keys can do: sign whatever they like, with real signatures."""

import hashlib
from datetime import timedelta
from pathlib import Path

from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from agent.core.allowlist import HEAD_TARGET
from firmware_tools import ceremony
from firmware_tools.key_files import OfficePublic
from office.repository_files import versions
from tests.trusted_site import PASSPHRASE, TrustedSite


def newest(repo: Path, role: str) -> int:
    return max(versions(repo, role))


def head_file(site: TrustedSite, number: int = 1) -> Path:
    role = Metadata[Targets].from_file(str(site.repo / f"{number}.allowlist.json"))
    return site.repo / "al" / f"{role.signed.targets[HEAD_TARGET].hashes['sha256']}.head"


def resign(site: TrustedSite, repo: Path | None = None, *, allowlist: int | None = None) -> None:
    """A snapshot and a timestamp, newer than any, over what lies in a repository."""
    repo = repo or site.repo
    number = allowlist or newest(repo, "allowlist")
    version = newest(repo, "snapshot") + 10**6
    targets = newest(repo, "targets")
    ends = site.at + timedelta(days=7)
    revoke = newest(repo, "revoke")
    meta = {
        "revoke.json": (revoke, repo / f"{revoke}.revoke.json"),
        "targets.json": (targets, repo / f"{targets}.targets.json"),
        "allowlist.json": (number, repo / f"{number}.allowlist.json"),
    }
    snapshot = Metadata(
        Snapshot(
            version=version,
            expires=ends,
            meta={
                name: MetaFile.from_data(one, path.read_bytes(), ["sha256"])
                for name, (one, path) in meta.items()
            },
        )
    )
    snapshot.sign(site.keyring.signers["snapshot"])
    data = snapshot.to_bytes()
    (repo / f"{version}.snapshot.json").write_bytes(data)
    stamp = Metadata(
        Timestamp(version=version, expires=ends, snapshot_meta=MetaFile.from_data(version, data, ["sha256"]))
    )
    stamp.sign(site.keyring.signers["timestamp"])
    stamp.to_file(str(repo / "timestamp.json"))


def sign_head(site: TrustedSite, data: bytes) -> None:
    """Any bytes as the next al/head, signed with the office's keys."""
    number = newest(site.repo, "allowlist") + 1
    target = TargetFile.from_data(HEAD_TARGET, data, ["sha256"])
    role = Metadata(
        Targets(version=number, expires=site.at + timedelta(days=7), targets={HEAD_TARGET: target})
    )
    role.sign(site.keyring.signers["allowlist"])
    role.to_file(str(site.repo / f"{number}.allowlist.json"))
    (site.repo / "al" / f"{hashlib.sha256(data).hexdigest()}.head").write_bytes(data)
    resign(site)


def publish_alone(site: TrustedSite) -> None:
    """Of a site where two people sign, what one of them can publish with the online keys stolen."""
    alone = OfficePublic.model_validate(site.keyring.office_public(site.site))
    lone = TrustedSite.standing(site.folder)
    trust = site.trust.rename(site.folder / "kept")
    ceremony.write_trust(site.trust, *ceremony.sign_trust(site.offline, alone, PASSPHRASE, site.at))
    lone.publish(1)
    for path in site.trust.iterdir():
        path.unlink()
    site.trust.rmdir()
    trust.rename(site.trust)
    for path in site.trust.iterdir():
        (site.repo / path.name).write_bytes(path.read_bytes())
    resign(site)
