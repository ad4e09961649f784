"""Where the office last published, so that a revocation can follow by itself.

One small file in the home. It names directories and a broker, no secrets.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from office.faults import OfficeFault
from office.files import write_whole
from office.home import Home

FILE: Final = "published.json"


@dataclass(frozen=True, slots=True)
class Place:
    """Where lists go.

    Args:
        trust: where the key ceremony put its signed files.
        out: the repository.
        broker: `HOST:PORT` that mirrors it, or empty.
        username, password_file: for the broker, or empty.
    """

    trust: str
    out: str
    broker: str = ""
    username: str = ""
    password_file: str = ""

    @classmethod
    def last(cls, home: Home) -> Self | None:
        """The place of the last publication; None before the first.

        Raises:
            OfficeFault: the note of it can't be read.
        """
        path = home.path / FILE
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as fault:
            raise OfficeFault(
                f"{path} can't be read: {fault}; publish again with --out and --trust"
            ) from fault

    def remember(self, home: Home) -> None:
        """Be the place where revocations go from now on; paths are kept absolute."""
        words = {"trust": self.trust, "out": self.out, "password_file": self.password_file}
        whole = replace(self, **{name: str(Path(path).absolute()) for name, path in words.items() if path})
        with contextlib.suppress(OfficeFault):
            if self.last(home) == whole:
                return
        write_whole(home.path / FILE, json.dumps(asdict(whole), indent=1).encode(), 0o600)


@contextlib.contextmanager
def alone(home: Home) -> Iterator[None]:
    """One publisher at a time; another waits."""
    with (home.path / "publish.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
