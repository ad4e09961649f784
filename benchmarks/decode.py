"""The reader beside its peers, over a folder of photographs whose contents are known.

    python -m benchmarks.decode [FOLDER]

FOLDER holds pictures, each with its content in a `.txt` of the same name
beside it, at any depth; the default is MENSHEN_QR_PHOTOS. Every decoder runs
in a child process, under the same conditions. pyzbar's misreads are codes in
Shift JIS, whose bytes zbar rewrites by its own guess.
"""

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from agent.frames import Grey
from agent.pictures import ENDINGS, PictureFault, load
from benchmarks.child import Child
from benchmarks.peers import ABSENT, PEERS, YARDSTICK

LONGER_SIDES_PX: Final = (None, 1280)
WARM_UP: Final = 3


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and the text in it."""

    name: str
    luma: Grey
    content: str


@dataclass(slots=True)
class Score:
    """How one decoder did."""

    peer: str
    photos: int = 0
    hits: int = 0
    misreads: list[str] = field(default_factory=list)
    deaths: int = 0
    cpu_ms: list[float] = field(default_factory=list)


def photos_in(folder: Path) -> list[Photo]:
    """The pictures of a folder that have a content beside them."""
    found = []
    for path in sorted(folder.rglob("*")):
        content = path.with_suffix(".txt")
        if path.suffix.lower() not in ENDINGS or not content.is_file():
            continue
        try:
            luma = load(path)
        except PictureFault as fault:
            print(f"skipped: {fault}")
            continue
        found.append(
            Photo(str(path.relative_to(folder)), luma, _plain(content.read_text("utf-8", "replace")))
        )
    return found


def _plain(text: str) -> str:
    return "\n".join(text.splitlines()).strip()


def _sized(luma: Grey, longer_px: int | None) -> Grey:
    if longer_px is None:
        return luma
    factor = longer_px / max(luma.shape)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(luma, None, fx=factor, fy=factor, interpolation=how), np.uint8)


def score(peer: str, photos: Sequence[Photo], longer_px: int | None = None) -> Score:
    """Run one decoder over all photographs."""
    result = Score(peer, photos=len(photos))
    child = Child(peer)
    try:
        for photo in photos[:WARM_UP]:
            child.ask(_sized(photo.luma, longer_px))
        for photo in photos:
            answer = child.ask(_sized(photo.luma, longer_px))
            if answer.texts is None:
                result.deaths += 1
                continue
            result.cpu_ms.append(answer.cpu_ms)
            texts = [_plain(text) for text in answer.texts]
            if photo.content in texts:
                result.hits += 1
            elif texts:
                result.misreads.append(photo.name)
    finally:
        child.close()
    return result


def table(scores: Sequence[Score], title: str) -> Table:
    """All decoders of one run side by side; CPU is of the whole run, against the yardstick's."""
    yard_ms = sum(next(each.cpu_ms for each in scores if each.peer == YARDSTICK)) or 1.0
    made = Table(title=title, title_justify="left")
    made.add_column("decoder", no_wrap=True)
    for column in ("recall", "misreads", "median ms", "p95 ms", f"CPU / {YARDSTICK}", "aborts"):
        made.add_column(column, justify="right", no_wrap=True)
    for each in scores:
        times = each.cpu_ms or [0.0]
        made.add_row(
            each.peer,
            f"{100 * each.hits / max(1, each.photos):.1f} %",
            str(len(each.misreads)),
            f"{statistics.median(times):.2f}",
            f"{float(np.percentile(times, 95)):.2f}",
            f"{sum(times) / yard_ms:.3f}",
            str(each.deaths),
        )
    return made


def main(arguments: Sequence[str] = ()) -> int:
    named = arguments[0] if arguments else os.environ.get("MENSHEN_QR_PHOTOS")
    photos = photos_in(Path(named)) if named and Path(named).is_dir() else []
    if not photos:
        print(
            f"bench-decode skipped: {f'{named} holds no' if named else 'no folder of'} photographs"
            " with their contents in .txt beside them; name one, or set MENSHEN_QR_PHOTOS"
        )
        return 0
    for sentence in ABSENT:
        print(sentence)
    console = Console(width=None if sys.stdout.isatty() else 100)
    for longer_px in LONGER_SIDES_PX:
        title = f"{len(photos)} photographs, " + ("native size" if longer_px is None else f"{longer_px} px")
        console.print(table([score(peer, photos, longer_px) for peer in PEERS], title))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
