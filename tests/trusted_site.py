"""A site's trust on disk, at a moment of its own: ceremony, office, repository, sync and gate.

The clock here says 2031, so whatever asks the machine's clock instead shows.
"""

import dataclasses
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent.core.allowlist import Allowlist, Grant, Head, PassKind, Status, pack
from agent.core.moments import Moment
from agent.core.notices import ListRefused
from agent.stores.anchor import Anchor
from agent.stores.lists import ListReader, ListStore
from agent.stores.loading import load
from agent.stores.sources import DirectorySource
from agent.stores.updates import Outcome, update
from firmware_tools.ceremony import make_keys, sign_trust, write_trust
from firmware_tools.key_files import OfficePublic
from office import repository
from office.keyring import Keyring

SITE = "harbour"
NOW = datetime(2031, 1, 1, tzinfo=UTC).timestamp()
DAY = 86400
PASSPHRASE = b"a long passphrase for a test"


def pass_id(n: int) -> bytes:
    return n.to_bytes(8)


def grant(n: int, **terms) -> Grant:
    usual = {
        "kind": PassKind.RESIDENT,
        "status": Status.LIVE,
        "holder": None,
        "zones": 1,
        "schedule": 0,
        "not_before_utc": int(NOW) - DAY,
        "not_after_utc": int(NOW) + 300 * DAY,
    }
    return Grant(pass_id(n), **{**usual, **terms})


@dataclass
class TrustedSite:
    """One site; `now` may be moved."""

    folder: Path
    site: str = SITE
    shard_bits: int = 2
    now: float = NOW
    keyring: Keyring = field(init=False)

    def __post_init__(self) -> None:
        self.keyring = Keyring.make(self.folder / "office-keys")
        make_keys(self.offline, PASSPHRASE)
        office = OfficePublic.model_validate(self.keyring.office_public(self.site))
        write_trust(self.trust, *sign_trust(self.offline, office, PASSPHRASE, self.at))

    @classmethod
    def standing(cls, folder: Path) -> "TrustedSite":
        """The site that another process made."""
        self = cls.__new__(cls)
        self.folder, self.site, self.shard_bits, self.now = folder, SITE, 2, NOW
        self.keyring = Keyring.load(folder / "office-keys")
        return self

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    @property
    def offline(self) -> Path:
        return self.folder / "offline"

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def list_file(self) -> Path:
        return self.folder / "sync" / "list.db"

    def anchor(self, who: str, site: str | None = None) -> Anchor:
        root = (self.trust / "1.root.json").read_bytes()
        return Anchor(root, site or self.site, self.folder / f"memory-of-{who}")

    def publish(self, number: int, grants=range(1, 41), **fields) -> Head:
        """Publish grants; those given as numbers are ordinary ones."""
        whole = [one if isinstance(one, Grant) else grant(one) for one in grants]
        indexes, parts = pack(whole, self.shard_bits)
        head = Head(
            site=self.site,
            number=number,
            issued_utc=int(self.now),
            soft_ttl_s=DAY,
            zones=("main",),
            shard_bits=self.shard_bits,
            indexes=indexes,
        )
        head = dataclasses.replace(head, **fields)
        repository.publish(self.repo, self.trust, self.keyring, head, parts, self.now)
        return head

    def moment(self) -> Moment:
        return Moment(self.now, 0.0)

    def sync(self, source=None, anchor: Anchor | None = None) -> Outcome:
        """One update, as sync does it."""
        with ListStore(self.list_file) as store:
            return update(
                store, source or DirectorySource(self.repo), anchor or self.anchor("sync"), self.moment()
            )

    def gate(
        self,
        reader: ListReader | None = None,
        anchor: Anchor | None = None,
        in_use: Allowlist | None = None,
    ) -> Allowlist | ListRefused:
        """One loading, as the gate does it."""
        return load(
            reader or ListReader(self.list_file), anchor or self.anchor("gate"), self.moment(), in_use
        )

    def copy_of_repo(self, name: str = "copy") -> Path:
        return Path(shutil.copytree(self.repo, self.folder / name))

    def part_files(self) -> list[Path]:
        """Shards and sub-indexes that lie in the repository, largest first."""
        files = [path for path in (self.repo / "al").iterdir() if not path.suffix]
        return sorted(files, key=lambda path: path.stat().st_size, reverse=True)
