"""The journal's hash chain, and what is signed over it.

`h = SHA-256(h_before || body)`, from 32 zero bytes at the start of each
epoch. A checkpoint is the device key's signature over one head; since a head
commits to every body before it, one signature speaks for the whole epoch so
far. An acknowledgement is the office's signature over the same facts.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from agent.core.events import Place
from agent.core.keys import Alg, sig_structure

GENESIS: Final = bytes(32)


def extend(head: bytes, body: bytes) -> bytes:
    """The head after one more event."""
    return hashlib.sha256(head + body).digest()


def extend_all(head: bytes, bodies: Iterable[bytes]) -> bytes:
    """The head after some more events."""
    sha256 = hashlib.sha256  # this loop is the busiest of an office that takes a backlog in
    for body in bodies:
        head = sha256(head + body).digest()
    return head


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head and the key of the event it stands after."""

    place: Place
    head: bytes

    def signed_by_gate(self, alg: Alg = Alg.ED25519) -> bytes:
        """What the device key signs."""
        return self._signed(alg, "head")

    def signed_by_office(self, alg: Alg = Alg.ED25519) -> bytes:
        """What the office's acknowledgement key signs: everything up to here is kept."""
        return self._signed(alg, "ack")

    def signed_as_purged(self, alg: Alg = Alg.ED25519) -> bytes:
        """What the device key signs when the gate lets go of everything up to here."""
        return self._signed(alg, "purged")

    def _signed(self, alg: Alg, what: str) -> bytes:
        place = self.place
        payload = bytes.fromhex(place.epoch) + place.seq.to_bytes(8) + self.head
        return sig_structure(alg, f"menshen/1/{what}/{place.site}/{place.gate}", payload)
