"""The local network as a way between gates, without a broker: UDP to a multicast group, to named addresses, or both.

What gates tell is signed, but says who went where. So on the network it is
sealed with a key that the site's gates share (Fernet: AES-CBC and HMAC), and
whoever lacks the key neither reads nor speaks. The first key in the file seals,
each of them opens, so that a key can be changed one gate at a time.
Source: RFC 1112 (multicast), RFC 2365 (administratively scoped addresses), the Fernet specification.
"""

import select
import socket
import stat
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from agent.ports import Letter

MAX_DATAGRAM_BYTES: Final = 65_507
_HOPS: Final = 1
_MOST_AT_ONCE: Final = 64
_RECEIVE_BUFFER_BYTES: Final = 512 * 1024
_SENDS_A_S: Final = 200
"""An answer is a burst of datagrams; a small switch or a Pi's Wi-Fi drops what comes faster."""
_log: Final = structlog.get_logger("agent.brokers.lan")

Address = tuple[str, int]


class LanFault(Exception):
    """The local network cannot be used; says what to do."""


def load_keys(path: Path) -> MultiFernet:
    """The keys in a file, one a line, the newest first.

    Raises:
        LanFault: it is missing, readable by others, or holds none.
    """
    try:
        others_may = stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXO | stat.S_IWGRP)
        keys = path.read_text(encoding="ascii").split()
    except (OSError, ValueError) as fault:
        raise LanFault(
            f"fellows.key_file: {path} cannot be read: {fault}; make one with menshen-office fellows-key"
        ) from fault
    if others_may:
        raise LanFault(
            f"fellows.key_file: {path} may be read by everybody (mode {others_may:03o}); run: chmod 640 {path}"
        )
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as fault:
        raise LanFault(
            f"fellows.key_file: {path} holds no key, or a line that is none; make one with menshen-office fellows-key"
        ) from fault


class Lan:
    """Satisfies agent.ports.Carrier."""

    def __init__(
        self,
        keys: MultiFernet,
        port: int,
        *,
        group: str = "",
        interface: str = "",
        others: Sequence[Address] = (),
    ) -> None:
        """Listen.

        Args:
            group: a multicast address, or "" for none.
            interface: the address of the interface to speak through; "" lets the system choose.
            others: gates to speak to one by one, where a network carries no multicast.
        Raises:
            LanFault: the port is taken, or the system has no such interface.
        """
        self._keys, self._others = keys, [*others, *([(group, port)] if group else [])]
        self._sent_at = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            if group:
                at = socket.inet_aton(interface or "0.0.0.0")  # noqa: S104  a question to the system, not an address to listen at
                # Several gates may live on one machine, and each hears the group.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
                self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, at)
                self._socket.setsockopt(
                    socket.IPPROTO_IP,
                    socket.IP_ADD_MEMBERSHIP,
                    struct.pack("4s4s", socket.inet_aton(group), at),
                )
            self._socket.bind(("" if group else interface, port))
        except OSError as fault:
            self._socket.close()
            raise LanFault(
                f"fellows: cannot listen on UDP port {port} of {interface or 'any interface'}: {fault.strerror};"
                " check fellows.interface, and that no other program has the port"
            ) from fault

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def know(self, gates: Sequence[str]) -> None:
        """Nothing: a network is heard whole."""

    def send(self, message: bytes, to: object = None) -> None:
        sealed = self._keys.encrypt(message)
        if len(sealed) > MAX_DATAGRAM_BYTES:
            _log.warning("lan.too_long", bytes=len(sealed))
            return
        for address in [to] if isinstance(to, tuple) else self._others:
            if isinstance(to, tuple):
                self._pause()
            try:
                self._socket.sendto(sealed, address)
            except OSError as fault:  # no route, no cable, a full queue: what is lost is asked for
                _log.debug("lan.unsent", to=str(address), found=str(fault))

    def received(self, wait_s: float) -> Sequence[Letter]:
        letters: list[Letter] = []
        select.select([self._socket], [], [], wait_s)
        for _ in range(_MOST_AT_ONCE):
            try:
                sealed, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except OSError:  # nothing more; or a named gate answered that nobody listens there
                break
            try:
                letters.append(Letter(self._keys.decrypt(sealed), sender))
            except InvalidToken:
                _log.debug("lan.foreign", sender=str(sender))
        return letters

    def close(self) -> None:
        self._socket.close()

    def _pause(self) -> None:
        time.sleep(max(0.0, self._sent_at + 1 / _SENDS_A_S - time.monotonic()))
        self._sent_at = time.monotonic()
