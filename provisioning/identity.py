"""Who a kiosk is: its number, its model, its software, and the key it made for itself.

The private key is made here and never leaves: no function of this package
returns it or sends it.
"""

import platform
import secrets
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
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
"""Below the state directory: PKCS #8, PEM, mode 0600."""


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
    path = state / JOURNAL_KEY
    if not path.exists():
        return None
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as fault:
        raise KeyFault(
            f"{path} holds no private key in PEM; move it away and the kiosk makes a new one"
        ) from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{path} holds a key of another kind, wanted Ed25519; move it away")
    return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())


def make_journal_key(state: Path) -> PublicKey:
    """The public half of this kiosk's journal key, made now unless there is one.

    Raises:
        KeyFault: as journal_key.
    """
    found = journal_key(state)
    if found:
        return found
    key = Ed25519PrivateKey.generate()
    path = state / JOURNAL_KEY
    durable.make_directory(path.parent, 0o700)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    durable.write(path, pem, 0o600)
    durable.give_to_owner_of(path, path.parent)
    return PublicKey(Alg.ED25519, key.public_key().public_bytes_raw())


def _device_tree(name: str) -> str:
    try:
        return plain((DEVICE_TREE / name).read_bytes().rstrip(b"\0").decode(errors="replace"), 80)
    except OSError:
        return ""
