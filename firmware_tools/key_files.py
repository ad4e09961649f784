"""Public keys on paper: the two small JSON files of the key ceremony.

`office-public.json` comes from the site office (`menshen-office`), and is
what the offline keys will vouch for:

    {"format": 1,
     "site": "harbour",
     "roles": {"allowlist": {"threshold": 1, "keys": [{"alg": "ed25519", "key": "<64 hex digits>"}]},
               "revoke":    {…}, "snapshot":  {…}, "timestamp": {…}}}

`keys.json` lies beside the offline keys and lists their public halves in the
same way (roles root, targets, firmware; each key with the name of its file),
so that a passphrase is needed only to sign.
"""

import json
from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from securesystemslib.signer import SSlibKey

from agent.core.allowlist import NAME

ONLINE_ROLES: Final = ("allowlist", "revoke", "snapshot", "timestamp")
OFFLINE_ROLES: Final = ("root", "targets", "firmware")
_MAX_BYTES: Final = 64 * 1024
_T = TypeVar("_T", bound=BaseModel)


class CeremonyFault(Exception):
    """The ceremony can't go on; the text says what was found, what was wanted and what to do."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ListedKey(_Strict):
    """One public key.

    Args:
        key: the 32 bytes of RFC 8032 as hexadecimal.
        name: the file of the private half, without `.pem`; offline keys only.
    """

    alg: Literal["ed25519"]
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    name: Annotated[str, Field(pattern=r"^[a-z]+-[0-9]+$")] | None = None

    @property
    def public(self) -> SSlibKey:
        """As TUF metadata holds it, with its key id."""
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key)))


class RoleKeys(_Strict):
    """Who signs for a role, and how many of them must."""

    threshold: Annotated[int, Field(ge=1)]
    keys: Annotated[tuple[ListedKey, ...], Field(min_length=1, max_length=16, strict=False)]

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if len({key.key for key in self.keys}) != len(self.keys):
            raise ValueError("a key is listed twice; one key is one signature")
        if self.threshold > len(self.keys):
            raise ValueError(f"a threshold of {self.threshold} with {len(self.keys)} keys can never be met")
        return self


class OfficePublic(_Strict):
    """office-public.json."""

    format: Literal[1]
    site: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    roles: dict[Literal["allowlist", "revoke", "snapshot", "timestamp"], RoleKeys]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := [role for role in ONLINE_ROLES if role not in self.roles]:
            raise ValueError(f"no keys for {', '.join(missing)}")
        return self


class OfflineKeys(_Strict):
    """keys.json."""

    format: Literal[1]
    roles: dict[Literal["root", "targets", "firmware"], RoleKeys]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if missing := [role for role in OFFLINE_ROLES if role not in self.roles]:
            raise ValueError(f"no keys for {', '.join(missing)}")
        if any(key.name is None for role in self.roles.values() for key in role.keys):
            raise ValueError("an offline key has no name")
        return self


def read(path: Path, model: type[_T], what: str) -> _T:
    """Read one of the two files.

    Args:
        what: how to get a good one, for the sentence.
    Raises:
        CeremonyFault: missing, too large, or wrong in the places that its text names.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise CeremonyFault(f"found {path} larger than {_MAX_BYTES} bytes, wanted {what}")
        return model.model_validate(json.loads(data))
    except OSError as fault:
        raise CeremonyFault(f"{path} can't be read: {fault.strerror}; wanted {what}") from fault
    except ValidationError as fault:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in fault.errors()[:8]
        )
        raise CeremonyFault(f"found faults in {path}: {faults}; wanted {what}") from fault
    except (ValueError, RecursionError) as fault:
        raise CeremonyFault(f"{path} is not JSON: {fault}; wanted {what}") from fault
