"""What the technician sees: a moving bar on a terminal, plain lines in a pipe."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.text import Text

from provisioning.wire import IdentifyResult, StatusResult


class Shown:
    """Progress of one enrolment."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout, highlight=False)
        self._bar = Progress(
            TextColumn("sending"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("sending", total=None, visible=False)
        self._quarters = -1

    def say(self, words: str) -> None:
        # Text, because words may come from the kiosk and must not be read as markup.
        self._bar.console.print(Text(words), soft_wrap=True)

    def sent(self, done: int, whole: int) -> None:
        self._bar.update(self._task, completed=done, total=whole, visible=True)
        quarters = 4 * done // whole if whole else 4
        if not self._console.is_terminal and quarters != self._quarters:
            self._quarters = quarters
            self.say(f"sent {done} of {whole} bytes")

    def pause(self, words: str) -> None:
        """Wait for Enter; Ctrl-C or the end of the input stops everything."""
        self._bar.stop()
        try:
            self._console.input(Text(f"{words} "))
        except EOFError as fault:
            raise KeyboardInterrupt from fault
        self._bar.start()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def found(kiosk: IdentifyResult, status: StatusResult) -> str:
    """A kiosk in a few lines."""
    if kiosk.enrolled:
        since = f" since {kiosk.enrolled_at}" if kiosk.enrolled_at else ""
        state = f"gate {kiosk.gate} of site {kiosk.site}{since}, {'sealed' if kiosk.sealed else 'unsealed'}"
    else:
        state = "not enrolled yet"
    lines = (
        ("kiosk", kiosk.device_id),
        ("model", kiosk.model),
        ("software", kiosk.software),
        ("state", state),
        ("journal key", kiosk.journal_key or "none yet"),
        ("clock", status.clock),
        ("line faults", str(status.line_faults)),
    )
    return "\n".join(f"{name + ':':13}{value}" for name, value in lines)
