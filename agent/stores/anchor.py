"""What a process holds fast to: its root of trust, its site, its memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Anchor:
    """Installed at provisioning; `sync` and `gate` each have one.

    Args:
        root: the root metadata (TUF JSON) as it was installed, never a later one.
        site: which site's list to believe.
        state: a directory of this process alone, made if missing: what it has seen lies there.
            Lost, it takes the protection against old lists with it.
    """

    root: bytes
    site: str
    state: Path

    @property
    def name(self) -> str:
        """The same for the same root and site; another after a new enrolment."""
        return hashlib.sha256(self.site.encode() + b"\n" + self.root).hexdigest()
