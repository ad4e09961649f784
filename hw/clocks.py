"""The clocks of a Pi, and how far the wall clock may be believed.

Knows three witnesses and their ranks. Refuses to set a clock or to ask the
network.

1. The kernel: adjtimex(2) answers TIME_ERROR until some time daemon has
   disciplined the clock, and again when none has for about nine hours (the error
   bound grows 500 ppm until it passes 16 s). Any daemon counts: timesyncd,
   chrony, ntpd, PTP. So this, not one daemon's own file, is `synced`.
2. What was: the kernel was synced while this process ran, or timesyncd has left
   its mark in /run since boot (it is never removed, hence `holdover` only).
3. The RTC: if the kernel set the wall clock from it at boot, or if the two agree. Where the
   driver is a module, as on a Pi, the kernel sets nothing and `hwclock` does, so that only the
   agreement shows. A Pi without an RTC starts at an old hour and has nothing to agree with.
"""

import ctypes
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from agent.core.moments import Moment, Trust
from agent.ports import Clock

TrustPolicy: TypeAlias = Literal["auto", "synced", "holdover", "unknown"]

LOOK_EVERY_S: Final = 1.0
SMALL_STEP_S: Final = 2.0  # a daemon may put the clock back by so much without its being wrong

_TIME_ERROR: Final = 5  # linux/timex.h
_TIMEX_BYTES: Final = 512  # struct timex is 208 or fewer on every port; zeroed, modes = 0 only reads
_SYNCED_SINCE_BOOT: Final = Path("/run/systemd/timesync/synchronized")
_RTC: Final = Path("/sys/class/rtc/rtc0")
RTC_AGREES_S: Final = 10.0


def kernel_says_synced() -> bool | None:
    """Whether a time daemon disciplines the clock now; None where the kernel won't say.

    Source: adjtimex(2).
    """
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR


class SystemClock:
    """The machine's clocks; satisfies agent.ports.Clock. Cheap: trust is looked up once a second.

    Args:
        trust: "auto" asks the witnesses; any other value is a site's word for it, which a
            bench without a time daemon needs too.
        rtc: the kernel's folder of the RTC.
    """

    def __init__(self, trust: TrustPolicy = "auto", rtc: Path = _RTC) -> None:
        self._rtc = rtc
        self._fixed = None if trust == "auto" else Trust(trust)
        self._trust = Trust.UNKNOWN
        self._look_at = float("-inf")
        self._was_synced = False

    def now(self) -> Moment:
        mono = time.monotonic()
        if self._fixed is None and mono >= self._look_at:
            self._trust, self._look_at = self._look(), mono + LOOK_EVERY_S
        return Moment(utc=time.time(), mono=mono, trust=self._fixed or self._trust)

    def _look(self) -> Trust:
        if kernel_says_synced():
            self._was_synced = True
            return Trust.SYNCED
        if self._was_synced or _SYNCED_SINCE_BOOT.exists() or rtc_vouches(self._rtc):
            return Trust.HOLDOVER
        return Trust.UNKNOWN


class FlooredClock:
    """A clock that never falls below what is known to have passed, nor behind itself.

    Behind the floor, or more than 2 s behind itself, it stands still and its trust is
    `unknown`: either reading may be the wrong one. A smaller step back, such as a time
    daemon makes, keeps its trust. Safe to use from several threads.

    Args:
        clock: the clock beneath.
        floor_utc: seconds since 1970: the newest of the last journaled time, the signed time
            in the allowlist and the build time.
    """

    def __init__(self, clock: Clock, floor_utc: float) -> None:
        self._clock = clock
        self._floor_utc = floor_utc
        self._last_utc = floor_utc
        self._lock = threading.Lock()

    @property
    def floor_utc(self) -> float:
        return self._floor_utc

    def raise_floor(self, utc: float) -> None:
        """Something signed or journaled says that utc has passed; an older one changes nothing."""
        with self._lock:
            self._floor_utc = max(self._floor_utc, utc)

    def now(self) -> Moment:
        with self._lock:
            moment = self._clock.now().not_before(self._floor_utc)
            behind_s = self._last_utc - moment.utc
            if behind_s > SMALL_STEP_S:
                moment = moment.not_before(self._last_utc)
            elif behind_s > 0:
                moment = replace(moment, utc=self._last_utc)
            self._last_utc = moment.utc
            return moment


def rtc_vouches(rtc: Path = _RTC) -> bool | None:
    """Whether the RTC stands behind the wall clock; None without one, or with one that lost its time."""
    try:
        if (rtc / "hctosys").read_text(encoding="ascii").strip() == "1":
            return True
        there_s = int((rtc / "since_epoch").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return abs(time.time() - there_s) <= RTC_AGREES_S
