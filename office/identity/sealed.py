"""Fields of a model that the database keeps only encrypted, and that read and write like any others.

    class Visit(Sealed):
        name = SealedText()

All sealed fields of a row are one JSON object under AES-GCM, with the row's
person key. A row whose key is deleted has no such fields any more: they are
empty, in the database and in every copy of it.
"""

import json
import os
import secrets
from typing import Any, Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection, models, transaction

from office import home as homes
from office.faults import OfficeFault
from office.identity import secret
from office.identity.secret import KEY_BYTES, NONCE_BYTES, Secrets

ROTATING: Final = 0x6B6579730A  # an advisory lock's number that is nobody else's
ID_BYTES: Final = 8
_SEALED_WITH: Final = frozenset({"key", "sealed"})
Self = TypeVar("Self", bound="Sealed")


def office_secrets() -> Secrets:
    """The secrets of the office in use."""
    return secret.load(homes.current().keys)


def steady() -> None:
    """Until the end of this transaction no secret takes another's place; SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ROTATING])


class PersonKey(models.Model):
    """The key of one person's or one visit's data, wrapped by the office's secret."""

    id = models.CharField(primary_key=True, max_length=2 * ID_BYTES)
    secret = models.CharField(max_length=8, help_text="which secret wraps it")
    wrapped = models.BinaryField()

    class Meta:
        app_label = "office"
        default_permissions = ()

    def __str__(self) -> str:
        return self.id

    @classmethod
    def make(cls) -> "PersonKey":
        """A new one; belongs into the transaction of what it seals."""
        steady()
        key_id, current = secrets.token_hex(ID_BYTES), office_secrets().current
        wrapped = current.wrap(os.urandom(KEY_BYTES), key_id)
        return cls.objects.create(id=key_id, secret=current.name, wrapped=wrapped)

    def cipher(self) -> AESGCM:
        """What seals and opens with this key.

        Raises:
            OfficeFault: the office's secret is not there.
        """
        return AESGCM(office_secrets().named(self.secret).unwrap(bytes(self.wrapped), self.id))

    def seal(self, fields: dict[str, str]) -> bytes:
        """Fields as the database keeps them."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.cipher().encrypt(nonce, json.dumps(fields).encode(), self.id.encode())

    def open(self, sealed: bytes) -> dict[str, str]:
        """The reverse; nothing sealed is no fields.

        Raises:
            OfficeFault: it is damaged, or sealed with another key.
        """
        if not sealed:
            return {}
        try:
            text = self.cipher().decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self.id.encode())
        except (InvalidTag, ValueError) as fault:
            raise OfficeFault(
                f"what is sealed with person key {self.id} is damaged; restore the database from its backup"
            ) from fault
        fields: dict[str, str] = json.loads(text)
        return fields


class SealedText(property):
    """A text that is kept sealed; empty if it was never set, or its key is deleted."""

    def __init__(self) -> None:
        self._name = ""
        super().__init__(self._read, self._write)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def _read(self, row: "Sealed") -> str:
        return row.unsealed().get(self._name, "")

    def _write(self, row: "Sealed", value: str) -> None:
        if row.unsealed().get(self._name, "") != value:
            row.unsealed()[self._name] = value
            row.is_unsealed_changed = True


class Sealed(models.Model):
    """A row with sealed fields."""

    key = models.ForeignKey(PersonKey, models.SET_NULL, null=True, related_name="+")
    sealed = models.BinaryField(default=b"")
    is_unsealed_changed = False

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """As usual, with changed sealed fields sealed first."""
        if not self.is_unsealed_changed:
            super().save(*args, **kwargs)
            return
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], *_SEALED_WITH}
        with transaction.atomic():
            self.key = self.key_to_seal_with()
            self.sealed = self.key.seal(self.unsealed())
            super().save(*args, **kwargs)
        self.is_unsealed_changed = False

    def unsealed(self) -> dict[str, str]:
        """The sealed fields, opened once for this object."""
        found: dict[str, str] | None = self.__dict__.get("_unsealed")
        if found is None:
            found = self.key.open(bytes(self.sealed)) if self.key_id and self.key else {}
            self.__dict__["_unsealed"] = found
        return found

    def key_to_seal_with(self) -> PersonKey:
        """The row's own key; a new one for a new row."""
        return self.key or PersonKey.make()

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("_unsealed", None)
        super().refresh_from_db(*args, **kwargs)
