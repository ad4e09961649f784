"""Codes in picture files, for `menshen-agent decode` and for whoever has a photograph."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.pictures import PictureFault, load
from agent.vision.config import ReaderConfig
from agent.vision.reader import Reader

__all__ = ["PictureFault", "decode_files", "legible", "load"]


def decode_files(
    paths: Iterable[Path | str], config: ReaderConfig | None = None
) -> Iterator[dict[str, str | float | list[str]]]:
    """Read the codes in some files, one answer each, in order; a bad file stops none of the others.

    Args:
        config: how to look; the default tries everything.

    Yields:
        {"file", "texts", "ms"}, or {"file", "error"} with a sentence.
    """
    for path in paths:
        started = time.perf_counter()
        try:
            sightings = Reader(config or ReaderConfig.still()).read(load(path))
        except PictureFault as fault:
            yield {"file": str(path), "error": str(fault)}
            continue
        yield {
            "file": str(path),
            "texts": [legible(sighting.text) for sighting in sightings],
            "ms": round((time.perf_counter() - started) * 1000, 2),
        }


def legible(text: str) -> str:
    """A sighting's text for people: as UTF-8, else Shift JIS, else Latin-1.

    A code rarely says its charset (ISO/IEC 18004, 7.3: Latin-1 unless declared; in practice
    UTF-8, and Shift JIS in older Japanese ones). Shift JIS is believed only where Latin-1
    would hold control characters, or where three half-width katakana or more stand in a row.
    """
    payload = text.encode("latin-1")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if any(0x80 <= byte < 0xA0 for byte in payload) or _katakana_run(payload) >= 3:
        try:
            return payload.decode("cp932")
        except UnicodeDecodeError:
            pass
    return text


def _katakana_run(payload: bytes) -> int:
    longest = run = 0
    for byte in payload:
        run = run + 1 if 0xA1 <= byte <= 0xDF else 0
        longest = max(longest, run)
    return longest
