"""The office's online keys: made once, kept in its home, public halves on paper.

One file a key, PKCS8 PEM, mode 0600, unencrypted: these keys sign while
nobody is there, so whoever owns the machine owns them. What they may sign is
bounded by the offline keys of the key ceremony, which takes their public
halves from office_public(). This module knows no Django and no repository.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from agent.core.keys import Alg, PublicKey
from office.faults import OfficeFault
from office.files import write_new

TUF_ROLES: Final = ("allowlist", "revoke", "snapshot", "timestamp")
OFFICE_PUBLIC_FORMAT: Final = 1
FIRST_KEY_ID: Final = 1
"""Until keys rotate."""
AUDIT_KEY: Final = "audit.pem"
"""Of every home, also of a group's own, which has no other."""
_OTHER: Final = ("issuer", "ack", "order")
_MAX_PEM_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class OnlineKey:
    """A key that signs passes or acknowledgements; never printed.

    Args:
        key_id: its number in list heads and static passes.
    """

    key_id: int
    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(Alg.ED25519, self._private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Ed25519 over data, 64 bytes."""
        return self._private.sign(data)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The private keys, loaded.

    Args:
        signers: TUF role to the key that signs it.
        issuer: signs static passes.
        ack: signs acknowledgements of events.
        order: signs orders to gates.
    """

    signers: Mapping[str, CryptoSigner] = field(repr=False)
    issuer: OnlineKey
    ack: OnlineKey
    order: OnlineKey

    @classmethod
    def make(cls, directory: Path) -> Self:
        """Make all keys; the directory is made if missing.

        Raises:
            OfficeFault: there are keys already, or they can't be written.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(directory.glob("*.pem")):
                raise OfficeFault(
                    f"found keys in {directory}, wanted none there: lists and passes signed with them are in use; "
                    "move them away yourself if they are to be replaced"
                )
            for name in (*TUF_ROLES, *_OTHER):
                pem = Ed25519PrivateKey.generate().private_bytes(
                    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
                )
                write_new(directory / f"{name}.pem", pem, 0o600)
        except OSError as fault:
            raise OfficeFault(f"the office's keys can't be written to {directory}: {fault}") from fault
        return cls.load(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Load the keys that make() wrote.

        Raises:
            OfficeFault: one is missing, damaged or open to other users.
        """
        keys = {name: _load(directory / f"{name}.pem") for name in (*TUF_ROLES, *_OTHER)}
        return cls(
            {role: CryptoSigner(keys[role]) for role in TUF_ROLES},
            OnlineKey(FIRST_KEY_ID, keys["issuer"]),
            OnlineKey(FIRST_KEY_ID, keys["ack"]),
            OnlineKey(FIRST_KEY_ID, keys["order"]),
        )

    def office_public(self, site: str, allowlist_threshold: int = 1) -> dict[str, Any]:
        """What the office hands to the key ceremony, as office-public.json: public keys only.

        Its format is described in firmware_tools.key_files.
        """
        return {
            "format": OFFICE_PUBLIC_FORMAT,
            "site": site,
            "roles": {
                role: {
                    "threshold": allowlist_threshold if role == "allowlist" else 1,
                    "keys": [{"alg": "ed25519", "key": signer.public_key.keyval["public"]}],
                }
                for role, signer in self.signers.items()
            },
        }


def names() -> tuple[str, ...]:
    """All keys of a keyring, by the names of their files."""
    return (*TUF_ROLES, *_OTHER)


def make_signer(directory: Path) -> CryptoSigner:
    """The key of a second person, who signs lists with the office: in a directory of its own, mode 0600.

    Raises:
        OfficeFault: there is one already, or it can't be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_new(directory / "allowlist.pem", pem, 0o600)
    except OSError as fault:
        raise OfficeFault(f"the signer's key can't be written to {directory}: {fault}") from fault
    return load_signer(directory)


def load_signer(directory: Path) -> CryptoSigner:
    """The key that signs lists, from a second person's directory or from an office's own keys.

    Raises:
        OfficeFault: missing, damaged or open to other users.
    """
    return CryptoSigner(_load(directory / "allowlist.pem"))


def issuer_key(directory: Path) -> OnlineKey:
    """The key that signs passes, alone.

    Raises:
        OfficeFault: it is missing, damaged or open to other users.
    """
    return OnlineKey(FIRST_KEY_ID, _load(directory / "issuer.pem"))


def audit_key(directory: Path) -> OnlineKey:
    """The key that seals the audit log; made when it is first wanted, so that older homes have it too.

    Raises:
        OfficeFault: it can't be made or read, or is open to other users.
    """
    path = directory / AUDIT_KEY
    try:
        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
            with contextlib.suppress(FileExistsError):  # another process was quicker
                write_new(path, pem, 0o600)
    except OSError as fault:
        raise OfficeFault(f"the key {path} can't be made: {fault}; look at the directory's owner") from fault
    return OnlineKey(FIRST_KEY_ID, _load(path))


def without_signer(public: dict[str, Any], lost: str, own: CryptoSigner) -> dict[str, Any]:
    """office-public.json without the key of a person who lost it.

    Args:
        lost: how that key begins, in hex; own: the office's, which is not replaced this way.
    Raises:
        OfficeFault: no other person's key begins so, or several do.
    """
    role = public["roles"]["allowlist"]
    others = [one["key"] for one in role["keys"] if one["key"] != own.public_key.keyval["public"]]
    gone = [key for key in others if key.startswith(lost.lower())]
    if len(gone) != 1 or not lost:
        raise OfficeFault(
            f"found {len(gone)} people's keys that begin with {lost!r}, wanted one; "
            f"those who sign beside the office: {', '.join(key[:16] for key in others) or 'nobody'}"
        )
    keys = [one for one in role["keys"] if one["key"] != gone[0]]
    return {**public, "roles": {**public["roles"], "allowlist": {"threshold": len(keys), "keys": keys}}}


def with_signer(public: dict[str, Any], signer: CryptoSigner) -> dict[str, Any]:
    """office-public.json for a site where one more must sign each list."""
    role = public["roles"]["allowlist"]
    keys = [*role["keys"], {"alg": "ed25519", "key": signer.public_key.keyval["public"]}]
    roles = {**public["roles"], "allowlist": {"threshold": len(keys), "keys": keys}}
    return {**public, "roles": roles}


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise OfficeFault(
                f"found {path} with mode {mode & 0o777:04o}, wanted 0600; run: chmod 600 {path}"
            )
        with path.open("rb") as file:
            key = load_pem_private_key(file.read(_MAX_PEM_BYTES), None)
    except FileNotFoundError as fault:
        raise OfficeFault(f"there is no key {path}; restore the office's home from its backup") from fault
    except (OSError, ValueError, TypeError) as fault:
        raise OfficeFault(f"the key {path} can't be read: {fault}; restore it from the backup") from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise OfficeFault(f"found another kind of key in {path}, wanted Ed25519; restore it from the backup")
    return key
