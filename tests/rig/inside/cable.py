"""Inside the machine: join two serial lines, byte for byte, until somebody ends it.

    cable.py /dev/ttyACM0 /dev/ttyS2

Either may come late or go away; then it is opened again. Standard library only.
"""

import contextlib
import os
import select
import sys
import time
import tty


def opened(path: str) -> int:
    while True:
        try:
            line = os.open(path, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(line)
        except OSError:
            time.sleep(0.5)
        else:
            return line


def main(one: str, other: str) -> None:
    while True:
        ends = [opened(one), opened(other)]
        with contextlib.suppress(OSError):
            while all(passed_on(line, ends) for line in select.select(ends, [], [])[0]):
                pass
        for line in ends:
            os.close(line)
        time.sleep(0.2)


def passed_on(line: int, ends: list[int]) -> bool:
    """Carry what has come on one line to the other; whether there was anything."""
    data = os.read(line, 4096)
    left = memoryview(data)
    while left:
        left = left[os.write(ends[1 - ends.index(line)], left) :]
    return bool(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
