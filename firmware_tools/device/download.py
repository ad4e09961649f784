"""Bringing one large file whose hash is known, in as many pieces as it takes.

What has come is kept under `.part`; the next attempt asks a web server for
the rest (RFC 9110, section 14), or goes on reading a stick. The file appears
under its name when its hash is right, and not before.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import urllib3

from agent.stores.sources import SAFE_PATH, SourceFault, Unreachable
from firmware_tools.device.offers import Release
from firmware_tools.device.place import UpdateFault, free_bytes
from firmware_tools.private_files import sync_directory

_CHUNK_BYTES: Final = 256 * 1024
_SPARE_BYTES: Final = 8 * 1024 * 1024
_TELL_EVERY_BYTES: Final = 4 * 1024 * 1024
_SILENCE_S: Final = 15.0

Tell = Callable[[int], None]


def bring(source: str, release: Release, folder: Path, tell: Tell = lambda _bytes: None) -> Path:
    """Bring a release's bundle into a folder, or find it there.

    Args:
        source: dir:/path or http(s)://…, the repository.
        tell: told of the bytes that are there, now and then.
    Raises:
        Unreachable, SourceFault: the source does not have it, or the line broke; what came is kept.
        UpdateFault: there is no room for it, or what came is not what was signed.
    """
    if not SAFE_PATH.fullmatch(release.path):
        raise UpdateFault(f"found the path {release.path[:80]!r}, wanted one inside the repository")
    target = folder / release.path
    if target.is_file() and _digest(target) == release.sha256:
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        _room_for(release.bytes - (part.stat().st_size if part.exists() else 0), target.parent)
        for attempt in (1, 2):
            _continue(source, release, part, tell)
            if _digest(part) == release.sha256:
                break
            # A power cut may have left rubbish at the end of the part; a second time it is no accident.
            part.unlink()
            if attempt == 2:
                raise UpdateFault(
                    f"what came as {release.version} is not what was signed; copy the repository again, whole"
                )
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
        sync_directory(target.parent)
    except OSError as fault:
        if isinstance(fault, Unreachable):
            raise
        raise UpdateFault(
            f"{release.version} can't be kept in {folder}: {fault.strerror or fault}"
        ) from fault
    return target


def _continue(source: str, release: Release, part: Path, tell: Tell) -> None:
    with part.open("ab") as file:
        have = file.tell()
        if have > release.bytes:
            file.truncate(0)
            have = 0
        told = have
        tell(have)
        for chunk in _rest(source, release.path, have):
            if have + len(chunk) > release.bytes:
                raise SourceFault(f"{release.path} goes on after the {release.bytes} bytes that were signed")
            file.write(chunk)
            have += len(chunk)
            if have - told >= _TELL_EVERY_BYTES:
                told = have
                file.flush()
                tell(have)
    if have < release.bytes:
        raise Unreachable(
            f"{have} of {release.bytes} bytes of {release.version} came, then the line broke; the next attempt goes on there"
        )
    tell(have)


def _rest(source: str, path: str, have: int) -> Iterator[bytes]:
    kind, _, place = source.partition(":")
    return _from_folder(Path(place), path, have) if kind == "dir" else _from_server(source, path, have)


def _from_folder(folder: Path, path: str, have: int) -> Iterator[bytes]:
    try:
        inside = folder.resolve(strict=True)
        found = (inside / path).resolve(strict=True)
        if not found.is_relative_to(inside) or not found.is_file():
            raise SourceFault(f"{path} is no file of {folder}")
        with found.open("rb") as file:
            file.seek(have)
            yield from _chunks(file)
    except FileNotFoundError as fault:
        raise Unreachable(f"there is no {path} in {folder}; is the stick in, and the copy whole?") from fault


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _from_server(url: str, path: str, have: int) -> Iterator[bytes]:
    with urllib3.PoolManager(
        num_pools=1, retries=False, timeout=urllib3.Timeout(connect=_SILENCE_S, read=_SILENCE_S)
    ) as pool:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            response = pool.request(
                "GET", f"{url.rstrip('/')}/{path}", headers=headers, preload_content=False, redirect=False
            )
            try:
                if have and response.status == 416:
                    return  # all of it is there; its hash will tell
                if response.status not in {200, 206}:
                    raise SourceFault(f"{url} answered {response.status} for {path}, wanted 200 or 206")
                skip = have if response.status == 200 else 0  # a server without ranges begins again
                while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
                    yield chunk[skip:]
                    skip = max(0, skip - len(chunk))
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            if isinstance(fault, SourceFault):
                raise
            raise Unreachable(
                f"{url} can't be reached: {type(fault).__name__}; the next attempt goes on where it broke"
            ) from fault


def _room_for(wanted: int, folder: Path) -> None:
    if (free := free_bytes(folder)) < wanted + _SPARE_BYTES:
        raise UpdateFault(
            f"found {free // 10**6} MB free for the download, wanted {(wanted + _SPARE_BYTES) // 10**6}; "
            "make room on the data partition"
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
