"""Introductions: holders whom a certificate has just vouched for.

A phone whose holder the list does not know yet shows its certificate in turn
with rotating codes. The certificate opens nothing; it is remembered for some
seconds, so that the code beside it can be checked. Only certificates whose
issuer's signature held come here.
"""

from dataclasses import dataclass, field
from typing import Final

from agent.core.passes import HolderCertificate

KNOWN_S: Final = 5.0
"""A certificate not seen for this long has been taken away with its phone."""

MOST_KNOWN: Final = 16
"""More phones than a camera's picture can hold."""


@dataclass(slots=True)
class Introductions:
    """The certificates seen last, by their text, each with when it was seen."""

    _known: dict[str, tuple[float, HolderCertificate]] = field(default_factory=dict)

    def introduce(self, text: str, certificate: HolderCertificate, mono: float) -> None:
        """Remember a genuine certificate; of too many, the one seen longest ago is forgotten."""
        self._known.pop(text, None)
        if len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[text] = mono, certificate

    def still_shows(self, text: str, mono: float) -> None:
        """Note that a code, which may be a certificate known here, is still held up."""
        if text in self._known:
            self.introduce(text, self._known[text][1], mono)

    def of(self, pass_id: bytes, mono: float) -> HolderCertificate | None:
        """The certificate that introduced this pass a moment ago, the newest if there are two."""
        for at, certificate in reversed(self._known.values()):
            if certificate.pass_id == pass_id and mono - at < KNOWN_S:
                return certificate
        return None
