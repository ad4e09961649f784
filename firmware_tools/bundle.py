"""The bundle: one file that holds a release, the same bytes for the same input.

    manifest.json       first; lists all that follows, see firmware_tools.manifest
    boards/*.toml       migrations/stores.toml       units/…
    requirements.txt    one line and one hash for each wheel
    sbom.cdx.json       CycloneDX
    wheels/*.whl

It is a plain USTAR archive in the order of the names. Reading takes nothing
else: no links, devices, directories, long-name extensions or compression, no
path that the manifest does not list, no byte after the end. Each header must
be exactly the one that would be written for this file, so there is one way
only to read a bundle. Whether its signers may be believed is decided before
it is opened: see firmware_tools.device.offers.
"""

import contextlib
import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

from firmware_tools.manifest import MAX_BYTES, NAME, BundleFault, Manifest

MAX_BUNDLE_BYTES: Final = 512 * 1024 * 1024
_BLOCK: Final = tarfile.BLOCKSIZE
_CHUNK_BYTES: Final = 1 << 20
_END: Final = bytes(2 * _BLOCK)
_KINDS: Final[Mapping[bytes, str]] = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a directory",
    tarfile.XHDTYPE: "an extended header",
    tarfile.XGLTYPE: "an extended header",
    tarfile.GNUTYPE_LONGNAME: "an extended header",
    tarfile.GNUTYPE_LONGLINK: "an extended header",
}


def write(target: BinaryIO, manifest: Manifest, sources: Mapping[str, Path | bytes]) -> None:
    """Write a bundle.

    Args:
        sources: the content of each file that the manifest lists.
    """
    head = manifest.to_bytes()
    _put(target, NAME, len(head), manifest.built_utc)
    target.write(head + _padding(len(head)))
    for path, listed in sorted(manifest.files.items()):
        _put(target, path, listed.bytes, manifest.built_utc)
        source = sources[path]
        if isinstance(source, bytes):
            target.write(source)
        else:
            with source.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    target.write(chunk)
        target.write(_padding(listed.bytes))
    target.write(_END)


def inspect(path: Path) -> Manifest:
    """Check every byte of a bundle, and write nothing.

    Raises:
        BundleFault: it is not whole, or holds what it must not.
    """
    with _opened(path) as file:
        manifest = _manifest(file)
        for name, chunks in _contents(file, manifest):
            _hashed(manifest, name, chunks)
        return manifest


def manifest_of(path: Path) -> Manifest:
    """The manifest alone; the rest is not looked at.

    Raises:
        BundleFault: there is none that is understood.
    """
    with _opened(path) as file:
        return _manifest(file)


def unpack(path: Path, directory: Path, sha256: str) -> Manifest:
    """Write a bundle's files, each checked against the manifest, into a new directory.

    Files are written with mode 0644, directories 0755; nothing is flushed to the disk. The bundle is read
    once, so that nobody can exchange it between its check and its use.

    Args:
        sha256: of the whole bundle, as it was signed.
    Raises:
        BundleFault: it is not whole, or holds what it must not. What was written is worthless then.
        OSError: the disk.
    """
    directory.mkdir(mode=0o755)
    with _opened(path) as opened:
        file = _Hashing(opened)
        manifest = _manifest(file)
        _write_new(directory / NAME, manifest.to_bytes())
        for name, chunks in _contents(file, manifest):
            target = directory / PurePosixPath(name)
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            _hashed(manifest, name, _kept(chunks, target))
        if file.digest.hexdigest() != sha256:
            raise BundleFault(f"{path.name} is not the bundle that was signed; fetch it again")
    held = sum(check_wheel(wheel) for wheel in sorted((directory / "wheels").glob("*.whl")))
    if held > manifest.unpacked_bytes:
        raise BundleFault(
            f"the wheels hold {held} bytes, and the manifest says {manifest.unpacked_bytes}: a bomb, or a slip of its builder"
        )
    return manifest


def check_wheel(path: Path) -> int:
    """Look through a wheel's names and sizes, before anything unpacks it.

    Returns:
        How many bytes it holds unpacked.
    Raises:
        BundleFault: it is no wheel, a name leads out of it, or it is a bomb.
    """
    try:
        with zipfile.ZipFile(path) as wheel:
            entries = wheel.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as fault:
        raise BundleFault(f"{path.name} is no wheel: {fault}") from fault
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        if (
            entry.filename.startswith(("/", "\\"))
            or ".." in parts
            or "\\" in entry.filename
            or "\0" in entry.orig_filename
        ):
            raise BundleFault(f"{path.name} holds the path {entry.filename[:80]!r}, which leads out of it")
        if (entry.external_attr >> 16) & 0o170000 not in {0, 0o100000, 0o040000}:
            raise BundleFault(f"{path.name} holds {entry.filename[:80]!r}, which is no plain file")
        if entry.file_size > 1000 * max(entry.compress_size, 64):
            raise BundleFault(
                f"{path.name} holds {entry.filename[:80]!r}, {entry.file_size} bytes in {entry.compress_size}: a bomb"
            )
    return sum(entry.file_size for entry in entries)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Hashing:
    """A file that is read once, from its beginning to its end, and hashed on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _manifest(file: _Readable) -> Manifest:
    info, header = _header(file)
    if info is None or info.name != NAME:
        found = "its end" if info is None else repr(info.name[:80])
        raise BundleFault(f"found {found} at the beginning, wanted {NAME}; this is no bundle")
    if info.size > MAX_BYTES:
        raise BundleFault(f"found a manifest of {info.size} bytes, wanted at most {MAX_BYTES}")
    data = _exactly(file, info.size, NAME)
    _skip_padding(file, info.size, NAME)
    manifest = Manifest.from_bytes(data)
    _same_header(header, info, manifest)
    if data != manifest.to_bytes():
        raise BundleFault("the manifest is not written as menshen-firmware writes it; build the bundle again")
    return manifest


def _contents(file: _Readable, manifest: Manifest) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Each further file's path and content, which must be read to its end; then the bundle's end."""
    for wanted, listed in sorted(manifest.files.items()):
        info, header = _header(file)
        if info is None:
            raise BundleFault(f"the bundle ends before {wanted}; fetch it again")
        if info.name != wanted:
            raise BundleFault(
                f"found {info.name[:80]!r} in the bundle, wanted {wanted}, as its manifest lists it"
            )
        if info.size != listed.bytes:
            raise BundleFault(f"{wanted} has {info.size} bytes, and the manifest says {listed.bytes}")
        _same_header(header, info, manifest)
        yield wanted, _chunks(file, info.size, wanted)
        _skip_padding(file, info.size, wanted)
    if file.read(len(_END) + 1) != _END:
        raise BundleFault("the bundle goes on after its last file, or its end is missing; fetch it again")


def _header(file: _Readable) -> tuple[tarfile.TarInfo | None, bytes]:
    block = file.read(_BLOCK)
    if block == bytes(_BLOCK):
        return None, block
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as fault:
        raise BundleFault(f"the bundle is damaged or cut short: {fault}; fetch it again") from fault
    if info.type != tarfile.REGTYPE:
        kind = _KINDS.get(info.type, "something else than a file")
        raise BundleFault(f"found {kind}, {info.name[:80]!r}, in the bundle; wanted plain files alone")
    return info, block


def _same_header(found: bytes, info: tarfile.TarInfo, manifest: Manifest) -> None:
    if found != _made_header(info.name, info.size, manifest.built_utc):
        raise BundleFault(
            f"the header of {info.name[:80]!r} has an owner, a mode or a time of its own; build the bundle again"
        )


def _made_header(name: str, size: int, built_utc: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, built_utc, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _put(target: BinaryIO, name: str, size: int, built_utc: int) -> None:
    target.write(_made_header(name, size, built_utc))


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _chunks(file: _Readable, size: int, name: str) -> Iterator[bytes]:
    while size:
        chunk = file.read(min(size, _CHUNK_BYTES))
        if not chunk:
            raise BundleFault(f"the bundle ends in the middle of {name}; fetch it again")
        size -= len(chunk)
        yield chunk


def _exactly(file: _Readable, size: int, name: str) -> bytes:
    return b"".join(_chunks(file, size, name))


def _skip_padding(file: _Readable, size: int, name: str) -> None:
    if file.read(len(_padding(size))) != _padding(size):
        raise BundleFault(f"the bundle is damaged after {name}; fetch it again")


def _hashed(manifest: Manifest, name: str, chunks: Iterator[bytes]) -> None:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    if digest.hexdigest() != manifest.files[name].sha256:
        raise BundleFault(f"{name} has another hash than the manifest says; fetch the bundle again")


def _kept(chunks: Iterator[bytes], target: Path) -> Iterator[bytes]:
    """The same chunks, written to a new file on their way."""
    with contextlib.closing(_new(target)) as file:
        for chunk in chunks:
            file.write(chunk)
            yield chunk


def _write_new(target: Path, data: bytes) -> None:
    with contextlib.closing(_new(target)) as file:
        file.write(data)


def _new(target: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(target, flags, 0o644), "wb")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
        size = os.fstat(file.fileno()).st_size
    except OSError as fault:
        raise BundleFault(f"{path} can't be read: {fault.strerror}") from fault
    with file:
        if size > MAX_BUNDLE_BYTES:
            raise BundleFault(f"found {path.name} of {size} bytes, wanted at most {MAX_BUNDLE_BYTES}")
        yield file
