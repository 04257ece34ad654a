"""Figures as SVG: rows of bits, stacks of words, boxes, arrows.

    draw.py [DIRECTORY…]     writes the figures of labs/figures and docs/figures

A source of figures is a Python file beside them, with a dictionary:

    from draw import Figure

    star = Figure("star", 720, 150, "STAR", "The fields of the register STAR, …")
    star.bits(20, 50, 680, [(63, 48, "SYSRET base", "user"), …])

    FIGURES = {"star": star}                  # is written to star.svg

Sizes are in pixels, y grows downwards. A figure has a ground of its own, so that
it reads on a dark page as well, a title, and a description for who cannot see
it. Text that does not fit its box, or leaves the figure, is an error here and
not a surprise on the page.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from typing import Optional, Sequence
from xml.sax.saxutils import escape, quoteattr

SANS = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"
MONO = "'DejaVu Sans Mono', Menlo, Consolas, monospace"
INK, QUIET, GROUND, EDGE = "#1d2430", "#566070", "#fcfcfa", "#c9cdd2"
# What a box is about. Each also differs in its words: colour alone says nothing.
FILLS = {
    "plain": "#ffffff", "grey": "#e9ebee", "kernel": "#fbe3c4", "user": "#d8e8f8",
    "new": "#d9efd7", "bad": "#f6d4d0",
}
SIZE = 14  # of text
# The width of a letter in parts of its height; a little more than the true one.
LETTER = {SANS: 0.60, MONO: 0.61}


class Figure:
    """One picture. `name` is its file without .svg."""

    def __init__(self, name: str, width: int, height: int, title: str,
                 description: str) -> None:
        self.name, self.width, self.height = name, width, height
        self._title, self._description = title, " ".join(description.split())
        self._parts: list[str] = []

    # ---- lines of text -------------------------------------------------------

    def text(self, x: float, y: float, text: str, *, anchor: str = "start",
             size: float = SIZE, mono: bool = False, bold: bool = False,
             quiet: bool = False, fits: Optional[float] = None) -> None:
        """A line whose letters stand on y. `fits` is the room it has."""
        font = MONO if mono else SANS
        wide = text_width(text, size, mono) * (1.06 if bold else 1)
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        if fits is not None and wide > fits:
            raise ValueError(f"{self.name}: {text!r} needs {wide:.0f} of {fits:.0f} px")
        if left < 2 or left + wide > self.width - 2 or not size <= y < self.height:
            raise ValueError(f"{self.name}: {text!r} leaves the figure: "
                             f"{left:.0f}..{left + wide:.0f} of {self.width}, y {y}")
        style = f' font-size="{size:g}"' if size != SIZE else ""
        style += f' font-family="{font}"' if mono else ""
        style += ' font-weight="bold"' if bold else ""
        style += f' fill="{QUIET}"' if quiet else ""
        style += f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}"{style}>{escape(text)}</text>')

    def lines(self, x: float, y: float, texts: Sequence[str], *, step: float = 19,
              anchor: str = "start", size: float = SIZE, mono: bool = False,
              quiet: bool = False) -> None:
        """Several lines, one below another."""
        for number, text in enumerate(texts):
            self.text(x, y + number * step, text, anchor=anchor, size=size, mono=mono,
                      quiet=quiet)

    # ---- shapes --------------------------------------------------------------

    def box(self, x: float, y: float, width: float, height: float,
            texts: Sequence[str] | str = (), *, fill: str = "plain", mono: bool = False,
            size: float = SIZE, dashed: bool = False, bold: bool = False) -> None:
        """A rectangle with lines of text in its middle."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
            f'fill="{FILLS[fill]}" stroke="{INK}"{dash}/>')
        texts = [texts] if isinstance(texts, str) else texts
        step = size * 1.3
        first = y + height / 2 + size * 0.36 - step * (len(texts) - 1) / 2
        for number, text in enumerate(texts):
            self.text(x + width / 2, first + number * step, text, anchor="middle",
                      size=size, mono=mono, bold=bold, fits=width - 4)

    def line(self, *points: tuple[float, float], dashed: bool = False,
             arrow: bool = False) -> None:
        """A line through points; an arrow points to the last one."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{INK}" '
                           f'stroke-width="1.5"{dash}/>')
        if arrow:
            (x0, y0), (x, y) = points[-2:]
            angle = math.atan2(y - y0, x - x0)
            head = [(x, y)] + [(x - 10 * math.cos(angle + turn),
                                y - 10 * math.sin(angle + turn)) for turn in (0.4, -0.4)]
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in head)
            self._parts.append(f'<polygon points="{path}" fill="{INK}"/>')

    def arrow(self, *points: tuple[float, float], text: str = "", dashed: bool = False,
              mono: bool = False) -> None:
        """An arrow, with words above the middle of its first stretch."""
        self.line(*points, dashed=dashed, arrow=True)
        if text:
            (x0, y0), (x1, y1) = points[:2]
            self.text((x0 + x1) / 2, (y0 + y1) / 2 - 6, text, anchor="middle", mono=mono)

    # ---- what kernels are made of --------------------------------------------

    def bits(self, x: float, y: float, width: float,
             fields: Sequence[tuple[int, int, str, str]], *, height: float = 40,
             scale: Sequence[float] = (), mono: bool = False, size: float = SIZE) -> None:
        """A row of bits, the highest on the left: (highest bit, lowest bit, what
        it is, fill). Each field is as wide as `scale` says in parts, or as it has
        bits. The numbers of the outer bits stand above the field."""
        parts = scale or [high - low + 1 for high, low, _, _ in fields]
        unit = width / sum(parts)
        for (high, low, text, fill), part in zip(fields, parts):
            wide = part * unit
            self.box(x, y, wide, height, text.split("\n"), fill=fill, mono=mono,
                     size=size)
            if high == low:
                self.text(x + wide / 2, y - 5, str(high), anchor="middle", size=11,
                          quiet=True)
            else:
                self.text(x + 2, y - 5, str(high), size=11, quiet=True)
                self.text(x + wide - 2, y - 5, str(low), anchor="end", size=11,
                          quiet=True)
            x += wide

    def stack(self, x: float, y: float, width: float,
              words: Sequence[tuple[str, str, str]], *, height: float = 24,
              left: Sequence[str] = (), mono: bool = True) -> None:
        """Words of memory, the highest address on top: (what is in it, a note to
        the right of it, fill); `left` are addresses or offsets beside them."""
        for number, (text, note, fill) in enumerate(words):
            top = y + number * height
            self.box(x, top, width, height, text, fill=fill, mono=mono, size=13)
            if note:
                self.text(x + width + 10, top + height / 2 + 5, note, size=13)
            if number < len(left) and left[number]:
                self.text(x - 8, top + height / 2 + 5, left[number], anchor="end",
                          mono=True, size=12, quiet=True)

    # ---- the file ------------------------------------------------------------

    def svg(self) -> str:
        """The figure's file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" '
            f'aria-labelledby={quoteattr(f"{self.name}-title {self.name}-desc")} '
            f'font-family="{SANS}" font-size="{SIZE}" fill="{INK}">')
        return "\n".join([
            head,
            f'<title id="{self.name}-title">{escape(self._title)}</title>',
            f'<desc id="{self.name}-desc">{escape(self._description)}</desc>',
            f'<rect x="0.5" y="0.5" width="{self.width - 1}" '
            f'height="{self.height - 1}" rx="6" fill="{GROUND}" stroke="{EDGE}"/>',
            *self._parts, "</svg>", ""])


def text_width(text: str, size: float = SIZE, mono: bool = False) -> float:
    """How wide a text is, in pixels, about."""
    return len(text) * size * LETTER[MONO if mono else SANS]


def figures(directory: Path) -> dict[Path, str]:
    """Every figure that the sources in a directory draw: its file, its text."""
    made: dict[Path, str] = {}
    sys.path.insert(0, str(Path(__file__).parent))
    # So that the sources find this module however it was started.
    sys.modules.setdefault("draw", sys.modules[__name__])
    for source in sorted(directory.glob("*.py")):
        if source == Path(__file__).resolve():
            continue
        spec = importlib.util.spec_from_file_location(f"figures_{source.stem}", source)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, figure in module.FIGURES.items():
            made[directory / f"{name}.svg"] = figure.svg()
    return made


def directories() -> list[Path]:
    """Where the tree has figures."""
    tree = Path(__file__).resolve().parents[2]
    return [path for path in (tree / "labs/figures", tree / "docs/figures")
            if path.is_dir()]


def main() -> int:
    places = [Path(name).resolve() for name in sys.argv[1:]] or directories()
    for place in places:
        for path, text in figures(place).items():
            if not path.exists() or path.read_text() != text:
                path.write_text(text)
                print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
