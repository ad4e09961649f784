"""The picture of the demonstration in the README: one moment of a real run, as a terminal showed it.

python -m tests.browsers.demo_picture docs/pictures/demo.svg
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

_COLUMNS, _ROWS = 96, 30
_NEXT_FRAME = re.compile(r"\r?(?:\x1b\[1A\x1b\[2K)+")
_NO_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-LN-Za-ln-z]")


def played() -> str:
    """What the demonstration writes to a terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(_COLUMNS), "LINES": str(_ROWS)}
    run = subprocess.Popen(
        [sys.executable, "-m", "agent.demo"],
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment,
        close_fds=True,
    )
    os.close(its)
    heard = bytearray()
    try:
        while some := os.read(ours, 65536):
            heard += some
    except OSError:  # the other end is closed: it has ended
        pass
    if run.wait() != 0:
        raise SystemExit(
            f"the demonstration ended with exit code {run.returncode}:\n{heard.decode()[-2000:]}"
        )
    return heard.decode()


def telling(frames: list[str]) -> str:
    """The last frame in which one gate lets somebody in while the other refuses."""
    both = [frame for frame in frames if "● green" in frame and "● red" in frame]
    if not both:
        raise SystemExit(
            f"in none of {len(frames)} frames one gate was green and the other red; run it again"
        )
    return both[-1]


def main(out: Path) -> None:
    frame = telling(_NEXT_FRAME.split(played())).replace("\r", "")
    drawn = Console(record=True, width=_COLUMNS, file=io.StringIO())
    drawn.print(Text.from_ansi(_NO_COLOURS.sub("", frame.rstrip())))
    picture = drawn.export_svg(title="make demo")
    # A page that shows the picture fetches no font for it.
    out.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
