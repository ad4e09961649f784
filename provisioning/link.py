"""One end of the link: a serial port that gives and takes whole payloads.

It knows pyserial and frames, and refuses to know what is said. Whatever a
port can do wrong becomes LinkLost, with a sentence for the person at it.
"""

import errno
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import serial  # type: ignore[import-untyped]

from provisioning.fragments import Joiner, is_fragment, split
from provisioning.framing import Decoder, Faults, encode

BAUD: Final = 115200
"""Bits per second by default; a USB gadget ignores it, a UART wants both ends alike."""
_BITS_PER_BYTE: Final = 10  # 8N1
_POLL_S: Final = 0.05
_WRITE_S: Final = 5.0


class LinkLost(Exception):
    """The port is not there, is in use, or went away."""


@contextmanager
def _losses(path: str) -> Iterator[None]:
    # A hang-up shows as any of these, depending on which call meets it first.
    try:
        yield
    except (OSError, termios.error, serial.SerialException) as fault:
        raise LinkLost(_sentence(path, fault)) from fault
    except ValueError as fault:  # pyserial's word for a rate that the port does not have
        raise LinkLost(f"{path} cannot be set up: {fault}; choose another --baud") from fault


def _sentence(path: str, fault: BaseException) -> str:
    number = getattr(fault, "errno", None)
    if number == errno.ENOENT:
        return f"there is no port {path}; plug the cable in, or see `menshen-provision ports`"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"this user may not open {path}; join its group (`ls -l {path}`, often dialout) and sign in again"
        )
    if number in (errno.EAGAIN, errno.EBUSY):
        return f"{path} is in use by another program; close it (another bench, a terminal, ModemManager)"
    if isinstance(fault, serial.SerialTimeoutException):
        return f"the other end of {path} takes no more bytes; check that the kiosk is on"
    if "Could not configure port" in str(fault):  # pyserial keeps no number for this one
        return f"{path} is no serial port; see `menshen-provision ports`"
    return f"{path} went away; check the cable"


class Link:
    """An open port, held for this process alone.

    Args:
        path: a tty: /dev/ttyACM0 on a bench, /dev/ttyGS0 on a kiosk, or a pty.
        baud: bits per second.
    Raises:
        LinkLost: here and in every method.
    """

    def __init__(self, path: str, baud: int = BAUD) -> None:
        self.path = path
        self.baud = baud
        self.heard = 0  # bytes, of any kind
        self.hears_fragments = False  # whether the newest payload came in small frames
        self._decoder = Decoder()
        self._joiner = Joiner()
        # pyserial would say these less plainly
        if not Path(path).exists():
            raise LinkLost(_sentence(path, FileNotFoundError(errno.ENOENT, "")))
        if not Path(path).is_char_device():
            raise LinkLost(f"{path} is no serial port; see `menshen-provision ports`")
        with _losses(path):
            self._port = serial.Serial(path, baud, timeout=_POLL_S, write_timeout=_WRITE_S, exclusive=True)

    @property
    def faults(self) -> Faults:
        return self._decoder.faults

    @property
    def pending(self) -> bytes:
        """What has come that is no frame yet; a person's typing ends up here."""
        return self._decoder.pending

    def send(self, payload: bytes, *, small: bool = False) -> None:
        """Put one payload on the line; in small frames for a noisy one."""
        self.write(b"".join(map(encode, split(payload))) if small else encode(payload))

    def write(self, data: bytes) -> None:
        """Put bytes on the line as they are: a banner."""
        with _losses(self.path):
            self._port.write(data)

    def receive(self, wait_s: float) -> list[bytes]:
        """Take the payloads that have come, waiting up to wait_s for the first."""
        until = time.monotonic() + wait_s
        while True:
            with _losses(self.path):
                data: bytes = self._port.read(max(1, self._port.in_waiting))
            self.heard += len(data)
            payloads = self._joined(self._decoder.feed(data))
            if payloads or time.monotonic() >= until:
                return payloads

    def _joined(self, payloads: list[bytes]) -> list[bytes]:
        whole = []
        for payload in payloads:
            fragment = is_fragment(payload)
            joined = self._joiner.feed(payload) if fragment else payload
            if joined is not None:
                self.hears_fragments = fragment
                whole.append(joined)
        return whole

    def takes_s(self, size: int) -> float:
        """Seconds that size bytes take on the line."""
        return size * _BITS_PER_BYTE / self.baud

    def close(self) -> None:
        """Let go of the port; safe to call twice."""
        with _losses(self.path):
            self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
