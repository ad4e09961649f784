"""A large site for measuring: real ceremony, real signatures, random grants, and a Mosquitto of its own."""

import contextlib
import getpass
import hashlib
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.core.allowlist import RECORD_BYTES, Grant, Head, PassKind, Status, find_record, pack, shard_number
from agent.core.keys import Alg, PublicKey
from firmware_tools.ceremony import make_keys, sign_trust, write_trust
from firmware_tools.key_files import OfficePublic
from office import repository
from office.ingest.subscriber import Address
from office.keyring import Keyring
from office.mirror import Mirror, Mirrored
from office.mirror_link import Link

SITE: Final = "bench"
SHARD_BITS: Final = 12
_PASSPHRASE: Final = b"a passphrase for a benchmark"
_DAY: Final = 86400


@dataclass(slots=True)
class LargeSite:
    """An office with a list of so many passes."""

    folder: Path
    keyring: Keyring
    head: Head
    parts: dict[bytes, bytes]
    ids: list[bytes]

    @classmethod
    def make(cls, folder: Path, passes: int, shard_bits: int = SHARD_BITS) -> "LargeSite":
        keyring = Keyring.make(folder / "keys")
        make_keys(folder / "offline", _PASSPHRASE)
        office = OfficePublic.model_validate(keyring.office_public(SITE))
        write_trust(folder / "trust", *sign_trust(folder / "offline", office, _PASSPHRASE, datetime.now(UTC)))
        ids = [secrets.token_bytes(8) for _ in range(passes)]
        indexes, parts = pack(map(_grant, ids), shard_bits)
        head = Head(
            site=SITE,
            number=0,
            issued_utc=0,
            soft_ttl_s=_DAY,
            zones=("main",),
            shard_bits=shard_bits,
            indexes=indexes,
        )
        return cls(folder, keyring, head, parts, ids)

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def root(self) -> Path:
        return self.folder / "trust" / "1.root.json"

    def publish(self) -> None:
        """Sign and write the list as it is, under the next number."""
        self.head = replace(self.head, number=self.head.number + 1, issued_utc=int(time.time()))
        repository.publish(self.repo, self.folder / "trust", self.keyring, self.head, self.parts, time.time())

    def change_one(self, pass_id: bytes) -> None:
        """Suspend one pass: its shard, its sub-index and the head change."""
        number = shard_number(pass_id, self.head.shard_bits)
        indexes = [self.parts[digest] for digest in self.head.indexes]
        which, place = divmod(number, 64)
        shard = self.parts[indexes[which][32 * place : 32 * place + 32]]
        record = find_record(shard, pass_id)
        if record is None:
            raise ValueError("that pass is not on the list")
        changed = replace(Grant.from_bytes(record), status=Status.SUSPENDED).to_bytes()
        at = shard.index(record)
        new_shard = _kept(self.parts, shard[:at] + changed + shard[at + RECORD_BYTES :])
        index = indexes[which][: 32 * place] + new_shard + indexes[which][32 * place + 32 :]
        new = list(self.head.indexes)
        new[which] = _kept(self.parts, index)
        self.head = replace(self.head, indexes=tuple(new))

    def deny(self, pass_id: bytes) -> None:
        repository.renew(
            self.repo, self.folder / "trust", self.keyring, time.time(), {pass_id: Status.REVOKED}
        )

    def mirror(self, port: int) -> Mirrored:
        with contextlib.closing(Link(Address("127.0.0.1", port), "publisher")) as link:
            return Mirror(self.repo, SITE, self.folder / "mirrored.json").bring(link)


def _grant(pass_id: bytes) -> Grant:
    now = int(time.time()) // 60 * 60
    holder = PublicKey(Alg.ED25519, secrets.token_bytes(32))
    return Grant(pass_id, PassKind.RESIDENT, Status.LIVE, holder, 1, 0, now - _DAY, now + 300 * _DAY)


def _kept(parts: dict[bytes, bytes], data: bytes) -> bytes:
    digest = hashlib.sha256(data).digest()
    parts[digest] = data
    return digest


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A Mosquitto with its defaults on a free loopback port; yields the port."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise SystemExit("found no mosquitto, wanted it: apt install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser {getpass.getuser()}\n")
    with subprocess.Popen([program, "-c", str(conf)], stderr=subprocess.DEVNULL) as broker:
        try:
            _wait_for(port)
            yield port
        finally:
            broker.terminate()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise SystemExit("mosquitto did not start")
