"""Who may change a kiosk that is sealed: a technician whose key the site has named.

The kiosk draws a nonce, the technician's key signs it, and for a quarter of an
hour this session may do what a blank kiosk lets anybody do. Five wrong answers
slow the kiosk down, and each further one doubles the wait; the count is on the
disk, so that a plug drawn does not forget it.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.core.keys import PublicKey, verify
from provisioning import durable
from provisioning.wire import challenge_text

PROVED_FOR_S: Final = 900
FREE_TRIES: Final = 5
FIRST_WAIT_S: Final = 30.0
LONGEST_WAIT_S: Final = 3600.0
TECHNICIANS: Final = "technicians.json"
_NONCE_LIVES_S: Final = 60.0
_TALLY: Final = "provision-tally"


@dataclass(frozen=True, slots=True)
class TooSoon:
    """Wrong answers have been too many."""

    wait_s: int


class Seal:
    """The lock on a sealed kiosk, for one session at a time.

    Args:
        etc, state: where the site's technicians stand, and where wrong answers are counted.
        mono: a clock that nobody can set.
    """

    def __init__(
        self, device_id: str, etc: Path, state: Path, mono: Callable[[], float] = time.monotonic
    ) -> None:
        self._device_id = device_id
        self._technicians = etc / TECHNICIANS
        self._tally = state / _TALLY
        self._mono = mono
        self._nonce = ""
        self._nonce_mono = 0.0
        self._wrong = self._counted()
        # Nobody knows how long the plug was out, so the wait begins again.
        self._not_before = mono() + self._wait_s() if self._wait_s() else 0.0
        self._technician = ""
        self._until_mono = 0.0

    @property
    def technician(self) -> str:
        """Who has proved to be there; empty for nobody, or no longer."""
        return self._technician if self._mono() < self._until_mono else ""

    def challenge(self) -> str | TooSoon:
        """A fresh nonce, good for one answer within a minute."""
        if soon := self._too_soon():
            return soon
        self._nonce, self._nonce_mono = secrets.token_hex(32), self._mono()
        return self._nonce

    def prove(self, technician: str, signature: bytes) -> bool | TooSoon:
        """Whether the answer to the last challenge is this technician's."""
        if soon := self._too_soon():
            return soon
        nonce, self._nonce = self._nonce, ""
        if not nonce or self._mono() - self._nonce_mono > _NONCE_LIVES_S:
            return False  # nothing was asked, so nothing was guessed
        key = technicians(self._technicians).get(technician)
        if key is None or not verify(key, signature, challenge_text(self._device_id, nonce)):
            self._count(self._wrong + 1)
            self._not_before = self._mono() + self._wait_s()
            return False
        self._count(0)
        self._technician, self._until_mono = technician, self._mono() + PROVED_FOR_S
        return True

    def forget(self) -> None:
        """The session is over."""
        self._technician, self._nonce = "", ""

    def _too_soon(self) -> TooSoon | None:
        left = self._not_before - self._mono()
        return TooSoon(int(left) + 1) if left > 0 else None

    def _wait_s(self) -> float:
        beyond = self._wrong - FREE_TRIES
        return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(beyond, 16)) if beyond >= 0 else 0.0

    def _counted(self) -> int:
        try:
            return min(max(int(self._tally.read_text()), 0), 1000)
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            return FREE_TRIES  # a count that was spoilt gives no free tries

    def _count(self, wrong: int) -> None:
        if wrong != self._wrong:
            self._wrong = min(wrong, 1000)
            durable.write(self._tally, f"{self._wrong}\n".encode(), 0o600)


def technicians(path: Path) -> dict[str, PublicKey]:
    """The technicians of a site and their keys; empty when the file is missing or damaged."""
    try:
        named = json.loads(path.read_bytes())
        return {str(name): PublicKey.parse(key) for name, key in named.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
