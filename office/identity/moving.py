"""For migrations: seals what older versions kept in the open.

Migrations see models as they were, without their methods; this works on rows.
"""

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from office.identity.sealed import ID_BYTES, office_secrets
from office.identity.secret import KEY_BYTES, NONCE_BYTES


def make_key(person_key: Any) -> Any:
    """A new row of the historical PersonKey."""
    key_id, current = secrets.token_hex(ID_BYTES), office_secrets().current
    wrapped = current.wrap(os.urandom(KEY_BYTES), key_id)
    return person_key.objects.create(id=key_id, secret=current.name, wrapped=wrapped)


def seal(key: Any, fields: Mapping[str, str]) -> bytes:
    """As PersonKey.seal does; fields without text are left out."""
    raw = office_secrets().named(key.secret).unwrap(bytes(key.wrapped), key.id)
    nonce = os.urandom(NONCE_BYTES)
    kept = {name: text for name, text in fields.items() if text}
    return nonce + AESGCM(raw).encrypt(nonce, json.dumps(kept).encode(), key.id.encode())


def mark(name: str) -> str:
    """As Person.of_name finds it again."""
    return office_secrets().current.mark(name)
