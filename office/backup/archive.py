"""What is inside a backup: a compressed tar of a manifest, the office's keys, and its database.

    manifest.json     what it is, of which site, made when, by which version
    keys/NAME         the office's keys, all but the secret that wraps people's keys
    home/NAME         what else of the home is worth keeping
    database          SQLite's file, or PostgreSQL's dump in its custom format

Nothing is ever unpacked to a name that the archive chose: names are looked up, not followed.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

import zstandard

from office.faults import OfficeFault

FORMAT: Final = "menshen/backup/1"
DATABASE: Final = "database"
_MANIFEST: Final = "manifest.json"
_SMALL: Final = re.compile(r"(keys|home)/([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})")
_MOST_SMALL_BYTES: Final = 65_536
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself.

    Args:
        made_at: UTC, ISO 8601.
        vendor: `sqlite` or `postgresql`.
        migrations: names of what has formed its tables, `office.0001_…`.
    """

    site: str
    made_at: str
    vendor: str
    version: str
    migrations: tuple[str, ...]

    def to_bytes(self) -> bytes:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def read(cls, data: bytes) -> "Manifest":
        """The reverse.

        Raises:
            OfficeFault: not of this form.
        """
        try:
            facts: Any = json.loads(data)
            if facts.pop("format") != FORMAT:
                raise OfficeFault(
                    f"the backup is of another form than {FORMAT}; use the version that made it"
                )
            return cls(**{**facts, "migrations": tuple(facts["migrations"])})
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise OfficeFault(f"the backup's manifest can't be read: {fault!r}") from fault


def chunks(manifest: Manifest, small: Mapping[str, Path], database: Path) -> Iterator[bytes]:
    """The archive, piece by piece.

    Args:
        small: files by their names in the archive, `keys/NAME` or `home/NAME`.

    Raises:
        OSError: a file can't be read.
    """
    squeeze = zstandard.ZstdCompressor(level=6).compressobj()
    for piece in _tar(manifest, small, database):
        if squeezed := squeeze.compress(piece):
            yield squeezed
    yield squeeze.flush()


def _tar(manifest: Manifest, small: Mapping[str, Path], database: Path) -> Iterator[bytes]:
    facts = manifest.to_bytes()
    yield _header(_MANIFEST, len(facts))
    yield _padded(facts)
    for name, path in sorted(small.items()):
        data = path.read_bytes()
        yield _header(name, len(data))
        yield _padded(data)
    size = database.stat().st_size
    yield _header(DATABASE, size)
    with database.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece
    yield bytes(-size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry.tobuf(tarfile.PAX_FORMAT)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % tarfile.BLOCKSIZE)


def unpack(packed: IO[bytes], home: Path, database: Path) -> Manifest:
    """Put an archive's keys and files into a home that has neither, and its database into a file; mode 0600.

    Raises:
        OfficeFault: it is no such archive, or something is missing in it.
    """
    manifest, found = None, False
    try:
        with (
            zstandard.ZstdDecompressor().stream_reader(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as tar,
        ):
            for entry in tar:
                file = tar.extractfile(entry) if entry.isreg() else None
                small = _SMALL.fullmatch(entry.name)
                if file is None or (entry.name not in {_MANIFEST, DATABASE} and small is None):
                    raise OfficeFault(f"the backup holds {entry.name[:100]!r}, which no backup of ours does")
                if entry.name == DATABASE:
                    found = True
                    _copy(file, database)
                elif entry.size > _MOST_SMALL_BYTES:
                    raise OfficeFault(f"{entry.name} in the backup is too long for what it is")
                elif small is None:
                    manifest = Manifest.read(file.read())
                else:
                    _write(home / "keys" / small[2] if small[1] == "keys" else home / small[2], file.read())
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as fault:
        raise OfficeFault(f"what is encrypted there is not a backup: {fault}") from fault
    if manifest is None or not found:
        raise OfficeFault("the backup has no manifest or no database in it; take another one")
    return manifest


def _copy(file: IO[bytes], path: Path) -> None:
    path.touch(mode=0o600, exist_ok=False)
    with path.open("wb") as into:
        while piece := file.read(_CHUNK):
            into.write(piece)


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(data)
