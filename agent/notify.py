"""sd_notify in plain Python: telling systemd that a process is ready, alive, leaving.

Knows the datagrams of sd_notify(3) over the Unix socket that systemd names in
the environment. Refuses to fail: a process that can't be heard goes on. It lies
outside `hw` and the kiosk, which may not import `socket` at all; they are
handed an agent.ports.Watchdog.
"""

import os
import socket
import time
from collections.abc import Mapping
from typing import Final

_STATUS_MAX: Final = 200


class NoWatchdog:
    """For benches and demos: nobody listens."""

    def ready(self) -> None: ...

    def pat(self) -> None: ...

    def status(self, text: str) -> None: ...

    def stopping(self) -> None: ...

    def close(self) -> None: ...


class SystemdWatchdog:
    """systemd's end of the process; satisfies agent.ports.Watchdog.

    Args:
        address: NOTIFY_SOCKET: a path, or `@name` for an abstract socket.
        every_s: the shortest time between two WATCHDOG=1; None if no watchdog is set.
    """

    def __init__(self, address: str, every_s: float | None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._every_s = every_s
        self._next = float("-inf")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def ready(self) -> None:
        """Start-up is done; the watchdog's time runs from here."""
        self._send("READY=1")

    def pat(self) -> None:
        """The loop is alive; sends a datagram at most twice in each watchdog period."""
        if self._every_s is None:
            return
        mono = time.monotonic()
        if mono >= self._next:
            self._next = mono + self._every_s
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split())[:_STATUS_MAX])

    def stopping(self) -> None:
        """Leaving on purpose."""
        self._send("STOPPING=1")

    def close(self) -> None:
        self._socket.close()

    def _send(self, message: str) -> None:
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            # systemd is busy, or gone. If it misses us for long, it restarts us: that is its trade.
            return


def watchdog_from(environ: Mapping[str, str] = os.environ) -> SystemdWatchdog | NoWatchdog:
    """The watchdog that the environment asks for.

    Source: sd_notify(3), sd_watchdog_enabled(3).
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return NoWatchdog()
    ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    period_us = environ.get("WATCHDOG_USEC", "")
    every_s = int(period_us) / 2_000_000 if ours and period_us.isdecimal() and int(period_us) > 0 else None
    return SystemdWatchdog(address, every_s)
