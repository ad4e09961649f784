"""Encryption of backups: age, for public keys or by a passphrase; streamed, however long.

For public keys the file is an age file like any other. With a passphrase it begins with an
armoured age file, which the passphrase opens and which holds the key of the age file after it:

    sed '/END AGE/q' FILE | age -d > key          # asks for the passphrase
    sed '1,/END AGE/d' FILE | age -d -i key | zstd -d | tar x

So whoever has lost menshen still has the backup. Source: https://age-encryption.org/v1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import pyrage
from pyrage import passphrase, x25519

from office.faults import OfficeFault
from office.files import write_through

LEAST_PASSPHRASE: Final = 12
_ARMOUR: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
_ARMOUR_ENDS: Final = b"-----END AGE ENCRYPTED FILE-----"
_BINARY: Final = b"age-encryption.org/v1"
_MOST_ARMOUR: Final = 8192
_IDENTITY: Final = "AGE-SECRET-KEY-"


@dataclass(frozen=True, slots=True)
class Lock:
    """For whom files are encrypted.

    Args:
        recipients: public keys.
        begin: what stands before the age file: the armoured key to it, or nothing.
    """

    recipients: tuple[x25519.Recipient, ...]
    begin: bytes = b""

    @classmethod
    def to(cls, recipients: Iterable[str]) -> "Lock":
        """For age public keys, age1….

        Raises:
            OfficeFault: one is none.
        """
        try:
            return cls(tuple(x25519.Recipient.from_str(one) for one in recipients))
        except pyrage.RecipientError as fault:
            raise OfficeFault(f"found a public key that age does not know: {fault}; wanted age1…") from fault

    @classmethod
    def by(cls, words: str) -> "Lock":
        """By a passphrase; takes seconds, as does each guess at it.

        Raises:
            OfficeFault: it is too short to keep anything.
        """
        if len(words) < LEAST_PASSPHRASE:
            raise OfficeFault(
                f"found a passphrase of {len(words)} characters, wanted at least {LEAST_PASSPHRASE}"
            )
        inner = x25519.Identity.generate()
        return cls((inner.to_public(),), passphrase.encrypt(str(inner).encode(), words, armored=True))

    def witnessed(self) -> tuple["Lock", "Key"]:
        """The same, also for a key that nobody keeps: whoever writes a file can so open it once to try it."""
        witness = x25519.Identity.generate()
        lock = Lock((*self.recipients, witness.to_public()), self.begin)
        return lock, Key((witness,), _past_armour=True)

    def write(self, path: Path, chunks: Iterable[bytes], *, replace: bool) -> None:
        """Encrypt into a file, mode 0600, which stands there whole or not at all.

        Args:
            replace: whether another may stand there already.
        Raises:
            OSError: the disk does not take it.
            FileExistsError: there is one, and it is not to be replaced.
        """
        with write_through(path, replace=replace) as file:
            self.into(file, chunks)

    def into(self, file: IO[bytes], chunks: Iterable[bytes]) -> None:
        """Encrypt into an open file."""
        file.write(self.begin)
        pyrage.encrypt_io(_Reader(iter(chunks)), file, list(self.recipients))


@dataclass(frozen=True, slots=True)
class Key:
    """What opens such a file."""

    identities: tuple[x25519.Identity, ...] = ()
    passphrase: str = field(default="", repr=False)
    _past_armour: bool = False
    _opened: dict[bytes, x25519.Identity] = field(default_factory=dict, repr=False)

    @classmethod
    def of_file(cls, path: Path) -> "Key":
        """From an identity file as age-keygen writes it.

        Raises:
            OfficeFault: there is no key in it.
        """
        try:
            lines = path.read_text(encoding="ascii").splitlines()
            found = tuple(x25519.Identity.from_str(one) for one in lines if one.startswith(_IDENTITY))
        except (OSError, UnicodeDecodeError, pyrage.IdentityError) as fault:
            raise OfficeFault(f"the identity file {path} can't be read: {fault}") from fault
        if not found:
            raise OfficeFault(f"found no key in {path}, wanted a line that begins with {_IDENTITY}")
        return cls(found)

    def open(self, path: Path, into: IO[bytes]) -> None:
        """Decrypt a whole file; nothing of it may be believed before this returns.

        Raises:
            OfficeFault: not of this form, cut off, altered, or for another key.
        """
        try:
            with path.open("rb") as file:
                identities = self._identities(path, file)
                pyrage.decrypt_io(file, into, list(identities))
        except (pyrage.DecryptError, pyrage.IdentityError, OSError) as fault:
            raise OfficeFault(
                f"{path} can't be opened: {fault}; is it whole, and is this its key or passphrase?"
            ) from fault

    def _identities(self, path: Path, file: IO[bytes]) -> tuple[x25519.Identity, ...]:
        begin = file.read(len(_ARMOUR))
        if begin.startswith(_BINARY):
            file.seek(0)
            if not self.identities:
                raise OfficeFault(f"{path} is encrypted for public keys; give --identity FILE")
            return self.identities
        if begin != _ARMOUR:
            raise OfficeFault(f"{path} is not a backup: it is not encrypted by age")
        if not self.passphrase and not self._past_armour:
            raise OfficeFault(f"{path} is encrypted by a passphrase; leave --identity out")
        armour = begin + file.read(_MOST_ARMOUR)
        end = armour.find(_ARMOUR_ENDS)
        if end < 0:
            raise OfficeFault(f"{path} is cut off near its beginning; take another copy of it")
        end += len(_ARMOUR_ENDS) + 1  # its newline
        file.seek(end)
        if self._past_armour:
            return self.identities
        armour = armour[:end]
        if armour not in self._opened:  # files of one backup begin alike, and a passphrase takes seconds
            inner = passphrase.decrypt(armour, self.passphrase)
            self._opened[armour] = x25519.Identity.from_str(inner.decode())
        return (self._opened[armour],)


def is_by_passphrase(path: Path) -> bool:
    """Whether a passphrase opens a file.

    Raises:
        OfficeFault: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(len(_ARMOUR)) == _ARMOUR
    except OSError as fault:
        raise OfficeFault(f"{path} can't be read: {fault.strerror}") from fault


class _Reader:
    """Chunks as a file to read from, as age wants it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def read(self, most: int) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        taken, self._rest = self._rest[:most], self._rest[most:]
        return bytes(taken)
