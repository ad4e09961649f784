"""Getting a passphrase from a person or a file: never an argument, never the environment."""

from pathlib import Path
from typing import Final

import click

from firmware_tools.key_files import CeremonyFault

_MAX_BYTES: Final = 1024


def read(file: Path | None, *, twice: bool) -> bytes:
    """A passphrase from the first line of a file, or from a hidden prompt.

    Args:
        twice: ask again to catch a slip; for new keys.
    Raises:
        CeremonyFault: the file is missing, empty, too long or open to others.
    """
    if file is None:
        typed: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=twice, err=True)
        return typed.encode()
    try:
        mode = file.stat().st_mode
        if mode & 0o077:
            raise CeremonyFault(
                f"found {file} with mode {mode & 0o777:04o}, wanted 0600; run: chmod 600 {file}"
            )
        with file.open("rb") as opened:
            line = opened.readline(_MAX_BYTES + 1).rstrip(b"\r\n")
    except OSError as fault:
        raise CeremonyFault(f"the passphrase file {file} can't be read: {fault.strerror}") from fault
    if not line or len(line) > _MAX_BYTES:
        raise CeremonyFault(f"found {len(line)} bytes on the first line of {file}, wanted 1 to {_MAX_BYTES}")
    return line
