"""The wiring drawings, drawn: symbols, wires and labels on a grid, as SVG.

    python -m hw.wiring.draw FOLDER      writes every sheet

Knows how a symbol looks. What is connected to what stands in hw.wiring.sheets.
Symbols follow IEC 60617 in outline: contacts as blades, coils as boxes.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

INK, HOT, COLD, SIGNAL, FIRE = "#1b1f24", "#b3261e", "#1f4e9c", "#2e7d32", "#d9730d"
_STYLE = (
    "text{font-family:'DejaVu Sans','Noto Sans','Noto Sans CJK SC',sans-serif;font-size:13px;fill:#1b1f24}"
    ".t{font-size:20px;font-weight:bold}.b{font-weight:bold}.s{font-size:11.5px;fill:#4a5159}"
)

Point = tuple[float, float]


@dataclass
class Sheet:
    """One drawing, in pixels from its top left corner.

    Args:
        name: of the file.
        title, says: what it shows, and why it is wired so, in a sentence for each line.
    """

    name: str
    title: str
    says: tuple[str, ...]
    width: int = 960
    height: int = 560
    _parts: list[str] = field(default_factory=list)

    def svg(self) -> str:
        """The whole file."""
        foot = self.height - 22 * len(self.says) - 14
        lines = "".join(
            f'<text x="30" y="{foot + 22 * n + 18}">{escape(line)}</text>' for n, line in enumerate(self.says)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img">\n'
            f"<title>{escape(self.title)}</title><style>{_STYLE}</style>\n"
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>\n'
            f'<text class="t" x="30" y="38">{escape(self.title)}</text>\n'
            + "\n".join(self._parts)
            + f'\n<line x1="30" y1="{foot - 6}" x2="{self.width - 30}" y2="{foot - 6}" stroke="#c9ced6"/>\n'
            + lines
            + "\n</svg>\n"
        )

    def wire(self, *points: Point, colour: str = INK, dashed: bool = False) -> None:
        """A wire through some points."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = ' stroke-dasharray="7 5"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.4"{dash}/>'
        )

    def joint(self, x: float, y: float, colour: str = INK) -> None:
        self._parts.append(f'<circle cx="{x}" cy="{y}" r="4.2" fill="{colour}"/>')

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """Words; kind is "b" bold or "s" small."""
        self._parts.append(
            f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, title: str, *lines: str) -> None:
        """A device with its name and what matters about it."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6" fill="#f4f6f9" stroke="{INK}" stroke-width="1.8"/>'
        )
        self.text(x + w / 2, y + 20, title, "b", "middle")
        for n, line in enumerate(lines):
            self.text(x + w / 2, y + 38 + 16 * n, line, "s", "middle")

    def area(self, x: float, y: float, w: float, h: float, title: str) -> None:
        """A dashed frame around what belongs together."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="none" stroke="#8a93a0" stroke-dasharray="5 5"/>'
        )
        self.text(x + 10, y + 18, title, "s")

    def contact(self, x: float, y: float, label: str, *, closed: bool, colour: str = INK) -> None:
        """A contact in a level wire, from x - 30 to x + 30; a closed one is drawn closed."""
        tip = y if closed else y - 18
        self.wire((x - 30, y), (x - 16, y), colour=colour)
        self.wire((x + 16, y), (x + 30, y), colour=colour)
        self.wire((x - 16, y), (x + 15, tip), colour=colour)
        if closed:
            self.wire((x + 16, y - 9), (x + 16, y), colour=colour)
        self.joint(x - 16, y, colour)
        self.joint(x + 16, y, colour)
        self.text(x, y - 26, label, "s", "middle")

    def resistor(self, x: float, y: float, label: str, *, upright: bool = True, colour: str = INK) -> None:
        """A resistor of 40, its middle at x, y."""
        w, h = (14, 40) if upright else (40, 14)
        self._parts.append(
            f'<rect x="{x - w / 2}" y="{y - h / 2}" width="{w}" height="{h}" fill="#fff" stroke="{colour}" stroke-width="2"/>'
        )
        if upright:
            self.text(x + 13, y + 4, label, "s")
        else:
            self.text(x, y - 13, label, "s", "middle")

    def diode(self, x: float, y: float, label: str, *, up: bool = True) -> None:
        """A diode in an upright wire from y - 26 to y + 26; up: its cathode, the bar, is above."""
        s = -1 if up else 1
        self.wire((x, y - 26), (x, y + 26))
        self._parts.append(
            f'<polygon points="{x - 11},{y - 9 * s} {x + 11},{y - 9 * s} {x},{y + 9 * s}" fill="{INK}"/>'
            f'<line x1="{x - 12}" y1="{y + 10 * s}" x2="{x + 12}" y2="{y + 10 * s}" stroke="{INK}" stroke-width="3"/>'
        )
        self.text(x + 18, y + 4, label, "s")

    def ground(self, x: float, y: float) -> None:
        for n, half in enumerate((12, 8, 4)):
            self.wire((x - half, y + 5 * n), (x + half, y + 5 * n))


def main(folder: Path) -> None:
    from hw.wiring.sheets import SHEETS  # noqa: PLC0415  they draw on this

    for make in SHEETS:
        sheet = make()
        (folder / f"{sheet.name}.svg").write_text(sheet.svg())
        print(folder / f"{sheet.name}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
