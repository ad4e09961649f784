"""A resident's phone: holds a private key and shows a new code every 15 seconds.

If it was given a certificate, it shows that in turn with its codes, for a gate
whose list does not know it yet. A rehearsal's part; a gate never sees a
private key.
"""

from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.core import passes
from agent.core.keys import Alg

TURN_S: Final = 0.5
"""For so long each of certificate and code is shown."""

SigningKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey


class HolderFault(ValueError):
    """A key file that holds no key for a pass."""


class Holder:
    """One pass on one phone.

    Args:
        pass_id: 8 bytes.
        key: Ed25519, or ECDSA on P-256.
        site: whom the code is signed for.
        clock_off_s: how far the phone's clock is ahead of the true time.
        certificate: the text that the office gave with the pass; empty for codes alone.
    """

    def __init__(
        self,
        pass_id: bytes,
        key: SigningKey,
        site: str,
        clock_off_s: float = 0.0,
        certificate: str = "",
    ) -> None:
        self._pass_id = pass_id
        self._key = key
        self._site = site
        self._clock_off_s = clock_off_s
        self._certificate = certificate
        self._shown: tuple[int, str] | None = None

    @classmethod
    def from_file(
        cls,
        pass_id: bytes,
        key_file: Path,
        site: str,
        clock_off_s: float = 0.0,
        certificate: str = "",
    ) -> "Holder":
        """Read an unencrypted PEM private key.

        Raises:
            HolderFault: not there, not PEM, or not a key of the two kinds.
        """
        try:
            key = load_pem_private_key(key_file.read_bytes(), password=None)
        except OSError as broken:
            raise HolderFault(f"key file {key_file}: {broken.strerror}") from broken
        except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
            raise HolderFault(
                f"key file {key_file.name} holds no private key; wanted unencrypted PEM"
            ) from wrong
        if isinstance(key, Ed25519PrivateKey) or (
            isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
        ):
            return cls(pass_id, key, site, clock_off_s, certificate)
        raise HolderFault(f"key file {key_file.name} holds another kind of key; wanted Ed25519 or P-256")

    def text_at(self, utc: float) -> str:
        """The code on the screen at a UTC second; made once a step."""
        if self._certificate and int(utc / TURN_S) % 2 == 0:
            return self._certificate
        step = passes.step_at(utc + self._clock_off_s)
        if self._shown is None or self._shown[0] != step:
            self._shown = step, self._signed(step)
        return self._shown[1]

    def _signed(self, step: int) -> str:
        alg = Alg.ED25519 if isinstance(self._key, Ed25519PrivateKey) else Alg.P256
        body = passes.rotating_body(alg, self._pass_id, step)
        signed = passes.to_be_signed(alg, self._site, body)
        if isinstance(self._key, Ed25519PrivateKey):
            return passes.compose(body, self._key.sign(signed))
        r, s = decode_dss_signature(self._key.sign(signed, ECDSA(hashes.SHA256())))
        return passes.compose(body, r.to_bytes(32) + s.to_bytes(32))
