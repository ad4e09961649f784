"""The printed test card, 62 x 90 mm: a code of a known size, for a camera to read at three distances.

PNG and PDF, as the kiosks' labels are. A printer that fits it to the page spoils it, so
the card says how wide its code must be.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.inspected import CARD_MM, CARD_TEXT
from provisioning import durable
from provisioning.label import DPI, MISSING, LabelFault, code_image, png_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH_MM, HEIGHT_MM = 62.0, 90.0
LINES: Final = (
    "menshen test card",
    f"print at 100 %: the code is {CARD_MM:.0f} mm wide",
    "hold it 10, 25 and 40 cm from the camera",
)
_MODULES, _QUIET = 21, 4
_CODE_MM: Final = CARD_MM * (_MODULES + 2 * _QUIET) / _MODULES
_LINE_MM: Final = 3.0
_MM_IN_POINTS: Final = 72 / 25.4
_MM_IN_PIXELS: Final = DPI / 25.4


def write(stem: Path) -> tuple[Path, Path]:
    """Write STEM.png and STEM.pdf.

    Raises:
        LabelFault: what draws them is not installed.
        OSError: the disk's reason.
    """
    png, pdf = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".pdf")
    durable.write(png, png_bytes(_drawn()))
    durable.write(pdf, _pdf())
    return png, pdf


def _drawn() -> "Image":
    code = code_image(CARD_TEXT, round(_CODE_MM * _MM_IN_PIXELS), _QUIET)
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  code_image found it

    dots = _MM_IN_PIXELS
    card = Image.new("L", (round(WIDTH_MM * dots), round(HEIGHT_MM * dots)), 255)
    card.paste(code, ((card.width - code.width) // 2, (card.width - code.width) // 2))
    draw, font = ImageDraw.Draw(card), ImageFont.load_default(_LINE_MM * dots * 0.8)
    for number, line in enumerate(LINES):
        left = (card.width - draw.textlength(line, font)) / 2
        draw.text((left, WIDTH_MM * dots + number * _LINE_MM * dots * 2), line, 0, font)
    return card


def _pdf() -> bytes:
    """One page of the card's own size; words are words, not pictures."""
    try:
        from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]  # noqa: PLC0415
        from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as fault:
        raise LabelFault(MISSING) from fault
    out, mm = io.BytesIO(), _MM_IN_POINTS
    page = Canvas(out, (WIDTH_MM * mm, HEIGHT_MM * mm))
    page.setTitle(CARD_TEXT.lower())
    edge = (WIDTH_MM - _CODE_MM) / 2
    code = ImageReader(code_image(CARD_TEXT, round(_CODE_MM * _MM_IN_PIXELS), _QUIET))
    page.drawImage(code, edge * mm, (HEIGHT_MM - edge - _CODE_MM) * mm, _CODE_MM * mm, _CODE_MM * mm)
    page.setFont("Helvetica", _LINE_MM * mm * 0.8)
    for number, line in enumerate(LINES):
        page.drawCentredString(
            WIDTH_MM / 2 * mm, (HEIGHT_MM - WIDTH_MM - (2 * number + 1) * _LINE_MM) * mm, line
        )
    page.save()
    return out.getvalue()
