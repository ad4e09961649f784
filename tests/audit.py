"""Are there known holes in what is pinned? Asks the OSV database about every requirement.

    python -m tests.audit

Where the database can't be reached it says so and ends well: a gate's software is tested on machines
without a way out, too. Exit code 1 names each hole, the requirement and the release that mends it.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ROOT: Final = Path(__file__).parents[1]
OSV: Final = os.environ.get("MENSHEN_OSV_URL", "https://api.osv.dev/v1/query")
LISTS: Final = ("run", "gate", "build", "dev")
_WAIT_S: Final = 5.0


def reachable(url: str) -> str:
    """Why an address can't be reached; "" if it can."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 443), _WAIT_S).close()
    except OSError as fault:
        return str(fault)
    return ""


def audit(requirements: Path) -> int:
    """Ask about one list; the exit code, 0 if nothing is known against it."""
    words = ["--vulnerability-service", "osv", "--osv-url", OSV, "--progress-spinner", "off"]
    words += ["--disable-pip", "--require-hashes", "--desc", "off", "--requirement", str(requirements)]
    return subprocess.run([sys.executable, "-m", "pip_audit", *words], check=False).returncode


def main() -> int:
    if why := reachable(OSV):
        print(
            f"audit: not done, since {OSV} can't be reached from here ({why}); run `make audit` where it can"
        )
        return 0
    return max(audit(ROOT / "requirements" / f"{name}.txt") for name in LISTS)


if __name__ == "__main__":
    raise SystemExit(main())
