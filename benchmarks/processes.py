"""What processes have used, read from Linux's /proc. Source: proc(5), stat and statm."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGESIZE")


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of processor time of processes, their children that live and those that ended."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            continue  # it has ended: then it counts with its parent
        total += sum(map(int, fields[11:15])) / _TICKS + cpu_s(map(int, children))
    return total


def resident_mb(pid: int) -> float:
    """Megabytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6
