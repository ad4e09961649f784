"""What leaves the office with people's names in it leaves encrypted (C29): by a passphrase, or for public keys.

The files are plain age files, so whoever gets one needs nothing of ours: `age -d FILE.age > FILE`.
Source: https://age-encryption.org/v1.
"""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pyrage import passphrase

from office.backup.lockbox import LEAST_PASSPHRASE, Lock
from office.faults import OfficeFault

SUFFIX: Final = ".age"
_MOST_BY_PASSPHRASE: Final = 256 << 20
"""age takes a passphrase only for what is in memory as a whole."""
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Seal:
    """How a file is encrypted.

    Args:
        recipients: age public keys; or else
        words: a passphrase.
    """

    recipients: tuple[str, ...] = ()
    words: str = field(default="", repr=False)

    def check(self) -> None:
        """Look whether it can keep anything.

        Raises:
            OfficeFault: a key that is none, or too short a passphrase.
        """
        if self.recipients:
            Lock.to(self.recipients)
        elif len(self.words) < LEAST_PASSPHRASE:
            raise OfficeFault(
                f"found a passphrase of {len(self.words)} characters, wanted at least {LEAST_PASSPHRASE}"
            )

    def told(self) -> str:
        """For the history: never the passphrase."""
        return (
            f"encrypted for {', '.join(self.recipients)}" if self.recipients else "encrypted by a passphrase"
        )

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """A file, encrypted; what waits on the disk meanwhile is encrypted, too.

        Raises:
            OfficeFault: it is too much for a passphrase.
        """
        if not self.recipients:
            yield from _pieces(passphrase.encrypt(_whole(chunks), self.words))
            return
        lock = Lock.to(self.recipients)
        with tempfile.TemporaryFile() as file:
            lock.into(file, chunks)
            file.seek(0)
            while piece := file.read(_CHUNK):
                yield piece


def _whole(chunks: Iterable[bytes]) -> bytes:
    whole = bytearray()
    for chunk in chunks:
        whole += chunk
        if len(whole) > _MOST_BY_PASSPHRASE:
            raise OfficeFault(
                f"the file is larger than {_MOST_BY_PASSPHRASE >> 20} MB, too much for a passphrase; take fewer days, "
                "or encrypt it for a public key"
            )
    return bytes(whole)


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK):
        yield data[start : start + _CHUNK]
