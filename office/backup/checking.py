"""Whether a backup can be opened and holds a whole office; nothing of it stays on the disk."""

import tempfile
from pathlib import Path

from office.backup import archive, dumps, making
from office.backup.archive import Manifest
from office.backup.lockbox import Key
from office.backup.peoples_keys import PeoplesKeys
from office.home import Home
from office.keyring import Keyring


def check(home: Home, file: Path, key: Key) -> Manifest:
    """Open a backup as a restore would, look at its keys and its database, and let go of both.

    Raises:
        OfficeFault: it is cut off, altered, for another key, or what is in it is damaged.
    """
    with making.passing(home) as directory:
        (directory / "keys").mkdir(mode=0o700)
        dumped = directory / archive.DATABASE
        with tempfile.TemporaryFile(dir=directory) as packed:
            key.open(file, packed)
            packed.seek(0)
            manifest = archive.unpack(packed, directory, dumped)
        Keyring.load(directory / "keys")
        dumps.examine(dumped, manifest.vendor)
    return manifest


def check_people(file: Path, key: Key) -> int:
    """The same for the file of people's keys.

    Returns:
        How many it holds.
    Raises:
        OfficeFault: as for check.
    """
    return len(PeoplesKeys.open(file, key).rows)
