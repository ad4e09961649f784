"""A technician's key: proof, to a sealed kiosk, of who is at the other end of the cable.

    ana = "ed25519:…"        the line for the site's enrolment file, under [technicians]

The private half is an encrypted PEM file on the technician's laptop; sites know
the public half alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from agent.core.keys import Alg, PublicKey
from provisioning import durable


class TechnicianFault(Exception):
    """The key cannot be used; says what to do."""


@dataclass(frozen=True, slots=True)
class Technician:
    """A technician by name, and the key that proves it."""

    name: str
    key: Ed25519PrivateKey

    @classmethod
    def make(cls, name: str, path: Path, passphrase: bytes) -> Self:
        """Make a key, and keep it at path.

        Raises:
            TechnicianFault: there is a file already.
            OSError: the disk's reason.
        """
        if path.exists():
            raise TechnicianFault(f"{path} is there already; a key is never overwritten")
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
        durable.write(path, pem, 0o600)
        return cls(name, key)

    @classmethod
    def open(cls, name: str, path: Path, passphrase: bytes) -> Self:
        """Open a key that was made.

        Raises:
            TechnicianFault: it is missing or damaged, or the passphrase is another's.
        """
        try:
            with path.open("rb") as file:
                key = load_pem_private_key(file.read(4096), passphrase)
        except OSError as fault:
            raise TechnicianFault(f"{path}: {fault.strerror}") from fault
        except (ValueError, TypeError) as fault:
            raise TechnicianFault(f"{path} does not open with this passphrase, or is no key") from fault
        if not isinstance(key, Ed25519PrivateKey):
            raise TechnicianFault(f"{path} holds a key of another kind; make one with `technician`")
        return cls(name, key)

    @property
    def public(self) -> PublicKey:
        return PublicKey(Alg.ED25519, self.key.public_key().public_bytes_raw())
