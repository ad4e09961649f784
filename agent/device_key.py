"""The key that signs the journal: made by the device itself, never sent anywhere."""

import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key


class KeyFault(Exception):
    """The device key cannot be used; says what to do."""


def load_signer(path: Path) -> Callable[[bytes], bytes]:
    """The signing function of an Ed25519 key in PKCS#8 PEM.

    Raises:
        KeyFault: it is missing, readable by others, or no such key.
    """
    try:
        others_may = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
        if others_may:
            raise KeyFault(f"{path} may be read by others (mode {others_may:03o}); run: chmod 600 {path}")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as fault:
        raise KeyFault(f"there is no device key at {path}; enrol this gate with menshen-provision") from fault
    except (OSError, ValueError, TypeError) as fault:
        raise KeyFault(f"the device key at {path} cannot be read: {fault}; enrol this gate again") from fault
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"the device key at {path} is not Ed25519; enrol this gate again")
    return key.sign
