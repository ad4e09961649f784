"""Ask the gate's own software whether a configuration is good.

The gate's rules live with the gate; here they are a command that is run as a
child process: exit 0 is good, else standard output names the faults, one to a
line.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.wire import plain

DEFAULT: Final = ("menshen-agent", "check")
TAKES_AT_MOST_S: Final = 30.0
_MOST_FAULTS: Final = 12
_LONGEST_FAULT: Final = 200


@dataclass(frozen=True, slots=True)
class Checker:
    """A command that is given `--config FILE`."""

    command: Sequence[str] = DEFAULT

    def faults(self, config: Path) -> tuple[str, ...]:
        """What is wrong with a configuration; empty when it is good. Bounded, one line each."""
        try:
            done = subprocess.run(
                [beside_this_one(self.command[0]), *self.command[1:], "--config", str(config)],
                capture_output=True,
                timeout=TAKES_AT_MOST_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return (f"`{self.command[0]}` gave no answer within {TAKES_AT_MOST_S:.0f} s",)
        except OSError as fault:
            why = fault.strerror or str(fault)
            return (f"could not run `{self.command[0]}`: {why}; install menshen on the kiosk again",)
        if done.returncode == 0:
            return ()
        lines = _lines(done.stdout)
        if not lines:  # it broke, rather than judged: its last words may help
            words = "".join(f": {line.strip()}" for line in _lines(done.stderr)[-1:]) or " and gave no reason"
            return (f"`{self.command[0]}` ended with code {done.returncode}{words}",)
        if len(lines) > _MOST_FAULTS:
            lines[_MOST_FAULTS - 1 :] = [f"… and {len(lines) - _MOST_FAULTS + 1} more"]
        return tuple(lines)


def _lines(said: bytes) -> list[str]:
    text = said.decode(errors="replace")
    return [plain(line, _LONGEST_FAULT) for line in text.splitlines() if line.strip()]


def beside_this_one(name: str) -> str:
    """The command that is installed beside this one, before any other of its name."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or name
