"""Who a kiosk is: its number, its model, its software, and the keys it made for itself.

Two private keys are made here and never leave: Ed25519 for the journal, P-256
for the broker. No function of this package returns or sends one; what leaves is
a public half, a signature, or a request for a certificate.
"""

import platform
import secrets
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from agent.core.keys import Alg, PublicKey
from provisioning import durable
from provisioning.wire import plain

DEVICE_TREE: Final = Path("/proc/device-tree")
JOURNAL_KEY: Final = "keys/gate/journal.pem"
"""Below the state directory: PKCS #8, PEM, mode 0600. The gate process signs its journal with it."""
BROKER_KEY: Final = "keys/sync/broker.pem"
"""Likewise; the sync process signs in to the broker with it."""
_LARGEST_KEY: Final = 4096


class KeyFault(Exception):
    """There is something where the key should be, and it is no key of ours."""


def software() -> str:
    """Which menshen this is."""
    try:
        return f"menshen {version('menshen')}"
    except PackageNotFoundError:
        return "menshen, not installed"


def model() -> str:
    """The board's name as the firmware gives it, such as `Raspberry Pi 4 Model B Rev 1.4`."""
    return _device_tree("model") or plain(f"{platform.system()} {platform.machine()}", 80)


def device_id(state: Path) -> str:
    """The kiosk's number: the board's serial number, or one drawn once where it has none."""
    serial = _device_tree("serial-number")
    if serial:
        return serial
    kept = state / "device-id"
    if not kept.exists():
        durable.make_directory(state)
        durable.write(kept, f"{secrets.token_hex(8)}\n".encode())
    return plain(kept.read_text(errors="replace").strip(), 40)


def journal_key(state: Path) -> PublicKey | None:
    """The public half of this kiosk's journal key, if it has made one.

    Raises:
        KeyFault: the file is there and holds something else; it is never overwritten.
    """
    key = _journal_private(state)
    return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw()) if key else None


def make_journal_key(state: Path) -> PublicKey:
    """The public half of this kiosk's journal key, made now unless there is one.

    Raises:
        KeyFault: as journal_key.
    """
    found = journal_key(state)
    if found:
        return found
    key = Ed25519PrivateKey.generate()
    _keep(key, state / JOURNAL_KEY)
    return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())


def sign_as_kiosk(state: Path, text: bytes) -> bytes:
    """A signature, 64 bytes, by this kiosk's journal key.

    Raises:
        KeyFault: there is none, or as journal_key.
    """
    key = _journal_private(state)
    if key is None:
        raise KeyFault(f"there is no key at {state / JOURNAL_KEY}; enrol this kiosk")
    return key.sign(text)


def request_certificate(state: Path, site: str, gate: str) -> bytes:
    """A request (PKCS #10, DER) for a certificate as this gate, by a key made now unless there is one.

    Raises:
        KeyFault: there is something else where the key should be.
    """
    path = state / BROKER_KEY
    found = _private(path)
    if found is None:
        found = generate_private_key(SECP256R1())
        _keep(found, path)
    if not isinstance(found, EllipticCurvePrivateKey) or not isinstance(found.curve, SECP256R1):
        raise KeyFault(f"{path} holds a key of another kind, wanted P-256; move it away")
    names = x509.Name(
        (
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, site),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, gate),
        )
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(names).sign(found, SHA256())
    return request.public_bytes(Encoding.DER)


def _journal_private(state: Path) -> Ed25519PrivateKey | None:
    path = state / JOURNAL_KEY
    key = _private(path)
    if key is not None and not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{path} holds a key of another kind, wanted Ed25519; move it away")
    return key


def _private(path: Path) -> object | None:
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            return load_pem_private_key(file.read(_LARGEST_KEY), None)
    except (ValueError, TypeError) as fault:
        raise KeyFault(
            f"{path} holds no private key in PEM; move it away and the kiosk makes a new one"
        ) from fault


def _keep(key: Ed25519PrivateKey | EllipticCurvePrivateKey, path: Path) -> None:
    durable.make_directory(path.parent, 0o700)
    durable.write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    durable.give_to_owner_of(path, path.parent)


def _device_tree(name: str) -> str:
    try:
        return plain((DEVICE_TREE / name).read_bytes().rstrip(b"\0").decode(errors="replace"), 80)
    except OSError:
        return ""
