"""What an eye gives up before it sees a picture, for good.

It keeps its memory, its clock and the one socket that it has. No file, no process, no thread, no signal to others,
no look into others' memory. Two walls stand behind each other, because not every machine has both:

    limits   it can open nothing, start nothing and leave no core         every Linux
    filter   the kernel refuses every call that is not in CALLS           x86-64, ARM of 64 bits

The filter answers EPERM and kills nobody: a library that tries something new goes without. Whether the decoders
do with so little is tried on a drawn picture before an eye is born (agent.vision.nursery).
Source: prctl(2), seccomp(2), getrlimit(2).
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_EPERM: Final = 1

# Numbers of the calls an eye needs: x86-64's, and those of ARM of 64 bits (asm-generic).
# Source: linux, arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
CALLS: Final = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "sysinfo": (99, 179),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "rseq": (334, 293),
}
_TGKILL: Final = (234, 131)  # of itself only, so that abort(3) dies of SIGABRT
_ARCHES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

# Classic BPF over struct seccomp_data: nr at 0, arch at 4, args from 16.
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_STEP: Final = struct.Struct("=HBBI")

OOM_SCORE: Final = 500
"""Where memory is short, the kernel takes the eye before the gate."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Be killed when the parent is gone, in whatever way."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it went before that was said


def unreadable() -> None:
    """Let no other process of this user look into this one's memory: for the gate, which has a key there."""
    _prctl(_PR_SET_DUMPABLE, 0)


def confine(*, filtered: bool) -> None:
    """Give up every right but those already in hand.

    Args:
        filtered: put the filter up as well.

    Raises:
        OSError: the kernel has no such filter, or not for this processor.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), "ascii")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    unreadable()
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(what, (0, 0))
    if filtered:
        steps = ctypes.create_string_buffer(_filter(os.getpid()))
        program = struct.pack("@HP", len(steps) // _STEP.size, ctypes.addressof(steps))
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program)


def _filter(pid: int) -> bytes:
    """Allow CALLS, and a signal to oneself.

    Raises:
        OSError: nobody has written down this processor's numbers.
    """
    if platform.machine() not in _ARCHES:
        raise OSError(f"no filter for {platform.machine()}; there is one for {', '.join(_ARCHES)}")
    column, arch = _ARCHES[platform.machine()]
    numbers = [each[column] for each in CALLS.values()]
    steps = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_LOAD, 0, 0, 0),
        *((_JUMP_IF_EQUAL, len(numbers) - n + 3, 0, number) for n, number in enumerate(numbers)),
        (_JUMP_IF_EQUAL, 0, 2, _TGKILL[column]),
        (_LOAD, 0, 0, 16),
        (_JUMP_IF_EQUAL, 1, 0, pid),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(_STEP.pack(*step) for step in steps)


def _prctl(what: int, *values: int | bytes) -> None:
    given = [value if isinstance(value, bytes) else ctypes.c_ulong(value) for value in values]
    if _libc.prctl(what, *given, *[ctypes.c_ulong(0)] * (4 - len(given))):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {what}: {os.strerror(number)}")
