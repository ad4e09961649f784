"""The office's secret: it wraps every person's key, and lives in a file beside the database, never in it.

    keys/identity.json   {"current": "1f6c0a9b", "secrets": {"1f6c0a9b": "64 hex digits"}}

Two secrets stand in it only while one takes the place of the other. From each
follow two keys by HKDF: one wraps, one marks names so that a second file of
the same name is found without reading all of them.

This module knows the file. It refuses to know the database.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from office.faults import OfficeFault
from office.files import write_new, write_whole

FILE: Final = "identity.json"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_MAX_FILE_BYTES: Final = 65_536


@dataclass(frozen=True)
class Secret:
    """One of them.

    Args:
        name: 8 hex digits; stands beside whatever it wraps.
    """

    name: str
    _raw: bytes = field(repr=False)

    @classmethod
    def new(cls) -> "Secret":
        return cls(secrets.token_hex(4), secrets.token_bytes(KEY_BYTES))

    @property
    def hex(self) -> str:
        return self._raw.hex()

    @cached_property
    def _wrapper(self) -> AESGCM:
        return AESGCM(self._derived(b"menshen/1/person-keys"))

    @cached_property
    def _marker(self) -> bytes:
        return self._derived(b"menshen/1/name-marks")

    def _derived(self, purpose: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(self._raw)

    def wrap(self, key: bytes, key_id: str) -> bytes:
        """A person's key as the database keeps it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._wrapper.encrypt(nonce, key, key_id.encode())

    def unwrap(self, wrapped: bytes, key_id: str) -> bytes:
        """The reverse.

        Raises:
            OfficeFault: it was wrapped with another secret, for another id, or is damaged.
        """
        try:
            return self._wrapper.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], key_id.encode())
        except (InvalidTag, ValueError) as fault:
            raise OfficeFault(
                f"person key {key_id} can't be opened with secret {self.name}; database and {FILE} do not "
                "belong together: restore both from one backup"
            ) from fault

    def mark(self, text: str) -> str:
        """The same for the same text, and telling nothing of it without the secret; 64 hex digits."""
        return hmac.new(self._marker, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Secrets:
    """The file's contents."""

    current: Secret
    known: dict[str, Secret]

    def named(self, name: str) -> Secret:
        """The secret that wrapped something.

        Raises:
            OfficeFault: it is gone.
        """
        if name not in self.known:
            raise OfficeFault(
                f"a person's key was wrapped with secret {name}, which {FILE} does not hold; "
                "restore the newest keys of this office"
            )
        return self.known[name]

    def to_bytes(self) -> bytes:
        facts = {"current": self.current.name, "secrets": {one.name: one.hex for one in self.known.values()}}
        return json.dumps(facts).encode() + b"\n"

    @classmethod
    def read(cls, data: bytes) -> "Secrets":
        """The reverse of to_bytes().

        Raises:
            ValueError: it is not of this form.
        """
        facts: Any = json.loads(data)
        try:
            known = {name: Secret(name, bytes.fromhex(raw)) for name, raw in facts["secrets"].items()}
            if any(len(bytes.fromhex(one.hex)) != KEY_BYTES for one in known.values()):
                raise ValueError("a secret of another length")
            return cls(known[facts["current"]], known)
        except (KeyError, TypeError, AttributeError) as fault:
            raise ValueError(f"not of its form ({fault!r})") from fault


class _Cache:
    """The file as it was read last; another process may put another in its place at any time."""

    stamp: tuple[object, ...] = ()
    secrets: Secrets | None = None


def load(keys: Path) -> Secrets:
    """The office's secrets as the file has them at this moment; made when they are first wanted.

    Args:
        keys: the home's directory of keys.
    Raises:
        OfficeFault: the file can't be made or read, or is open to other users.
    """
    path = keys / FILE
    try:
        if not path.exists():
            _make(path)
        found = path.stat()
        stamp = (path, found.st_ino, found.st_mtime_ns, found.st_size)
        if _Cache.stamp == stamp and _Cache.secrets is not None:
            return _Cache.secrets
        if found.st_mode & 0o077:
            raise OfficeFault(f"found {path} open to other users, wanted mode 0600; run: chmod 600 {path}")
        with path.open("rb") as file:
            read = Secrets.read(file.read(_MAX_FILE_BYTES))
    except (OSError, ValueError) as fault:
        raise OfficeFault(f"{path} can't be read: {fault}; restore it from the backup of the keys") from fault
    _Cache.stamp, _Cache.secrets = stamp, read
    return read


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    first = Secret.new()
    try:
        write_new(path, Secrets(first, {first.name: first}).to_bytes(), 0o600)
    except FileExistsError:
        return  # another process was quicker


def replace(keys: Path, new: Secrets) -> None:
    """Put other secrets into the file, durably.

    Raises:
        OfficeFault: the disk does not take it; the old ones stand.
    """
    try:
        write_whole(keys / FILE, new.to_bytes(), 0o600)
    except OSError as fault:
        raise OfficeFault(f"{keys / FILE} can't be written: {fault}") from fault
