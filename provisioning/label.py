"""The printed label of a kiosk, 62 x 29 mm: what it is, and a code with the same.

    menshen-kiosk <device id> <fingerprint of its journal key>

PNG for label printers, PDF for everything else. It says nothing secret: whoever
opens the housing reads it, and compares it with `menshen-provision identify`.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from agent.core.keys import PublicKey
from provisioning import durable
from provisioning.enrol import Record

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH_MM, HEIGHT_MM = 62.0, 29.0
DPI: Final = 300
_MARGIN_MM: Final = 2.0
_CODE_MM: Final = HEIGHT_MM - 2 * _MARGIN_MM
_LINES_MM: Final = (4.2, 3.4, 2.7, 2.7, 2.7)
_MM_IN_POINTS: Final = 72 / 25.4
_MM_IN_PIXELS: Final = DPI / 25.4


class LabelFault(Exception):
    """No label can be made here; says what to install or do."""


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on it.

    Args:
        fingerprint: of the journal key, 16 hex digits in fours.
    """

    site: str
    gate: str
    device_id: str
    fingerprint: str
    day: str

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(
            site=record.site,
            gate=record.gate,
            device_id=record.device_id,
            fingerprint=fingerprint(record.journal_key),
            day=record.enrolled_at[:10],
        )

    @property
    def code(self) -> str:
        """The text in the code."""
        return f"menshen-kiosk {self.device_id} {self.fingerprint.replace(' ', '')}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The words, largest first; one to each of the label's lines."""
        return (
            self.gate,
            f"site {self.site}",
            f"kiosk {self.device_id}",
            f"key {self.fingerprint}",
            f"enrolled {self.day}",
        )

    def write(self, stem: Path) -> tuple[Path, Path]:
        """Write STEM.png and STEM.pdf.

        Raises:
            LabelFault: what draws them is not installed.
            OSError: the disk's reason.
        """
        png, pdf = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".pdf")
        durable.write(png, self.png())
        durable.write(pdf, self.pdf())
        return png, pdf

    def png(self) -> bytes:
        """300 dots per inch, black on white."""
        return png_bytes(self._drawn())

    def pdf(self) -> bytes:
        """One page of the label's own size; words are words, not pictures."""
        try:
            from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]  # noqa: PLC0415
            from reportlab.pdfbase.pdfmetrics import stringWidth  # type: ignore[import-untyped]  # noqa: PLC0415
            from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]  # noqa: PLC0415
        except ImportError as fault:
            raise LabelFault(MISSING) from fault
        out = io.BytesIO()
        mm = _MM_IN_POINTS
        page = Canvas(out, (WIDTH_MM * mm, HEIGHT_MM * mm))
        page.setTitle(f"{self.site} {self.gate}")
        page.drawImage(
            ImageReader(code_image(self.code, round(_CODE_MM * _MM_IN_PIXELS))),
            *(_MARGIN_MM * mm, _MARGIN_MM * mm, _CODE_MM * mm, _CODE_MM * mm),
        )
        room = (WIDTH_MM - _CODE_MM - 3 * _MARGIN_MM) * mm
        top = (HEIGHT_MM - _MARGIN_MM) * mm
        for line, height in zip(self.lines, _LINES_MM, strict=True):
            size = min(
                height * mm, height * mm * room / max(1.0, stringWidth(line, "Helvetica", height * mm))
            )
            top -= height * mm * 1.25
            page.setFont("Helvetica", size)
            page.drawString((_CODE_MM + 2 * _MARGIN_MM) * mm, top, line)
        page.save()
        return out.getvalue()

    def _drawn(self) -> "Image":
        try:
            from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415
        except ImportError as fault:
            raise LabelFault(MISSING) from fault
        dots = _MM_IN_PIXELS
        image = Image.new("L", (round(WIDTH_MM * dots), round(HEIGHT_MM * dots)), 255)
        side = round(_CODE_MM * dots)
        margin = round(_MARGIN_MM * dots)
        image.paste(code_image(self.code, side), (margin, margin))
        draw = ImageDraw.Draw(image)
        room = image.width - side - 3 * margin
        top = float(margin)
        for line, height in zip(self.lines, _LINES_MM, strict=True):
            size = height * dots
            wide = draw.textlength(line, ImageFont.load_default(size))
            font = ImageFont.load_default(min(size, size * room / max(1.0, wide)))
            draw.text((side + 2 * margin, top), line, 0, font)
            top += size * 1.25
        return image


def code_image(text: str, side_px: int, quiet: int = 2) -> "Image":
    """A QR code, black on white.

    Args:
        side_px: of the whole, quiet zone included.
        quiet: the quiet zone, in modules.
    Raises:
        LabelFault: what draws it is not installed.
    """
    try:
        import segno  # noqa: PLC0415
        from PIL import Image  # noqa: PLC0415
    except ImportError as fault:
        raise LabelFault(MISSING) from fault
    code = segno.make(text, error="m", micro=False)
    rows = [[255 - 255 * bool(dark) for dark in row] for row in code.matrix_iter(border=quiet)]
    small = Image.new("L", (len(rows), len(rows)))
    small.putdata([shade for row in rows for shade in row])
    return small.resize((side_px, side_px), Image.Resampling.NEAREST)


def png_bytes(image: "Image") -> bytes:
    """A picture at 300 dots per inch."""
    out = io.BytesIO()
    image.save(out, "PNG", dpi=(DPI, DPI))
    return out.getvalue()


MISSING: Final = "labels want segno, pillow and reportlab; install them with: pip install 'menshen[bench]'"


def fingerprint(journal_key: str) -> str:
    """A key's fingerprint for people: the first 16 hex digits of its SHA-256, in fours."""
    digest = hashlib.sha256(PublicKey.parse(journal_key).raw).hexdigest()[:16]
    return " ".join(digest[at : at + 4] for at in range(0, 16, 4))
