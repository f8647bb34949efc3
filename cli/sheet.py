"""A page to draw figures on: smooth lines, text in one font, pictures whose own pixels are still to be seen."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cli.figure import INK, PAPER

GRID = "#e3e6eb"
# Drawn larger and then reduced, which smooths the lines.
_SCALE = 2

Point = tuple[float, float]


class Sheet:
    """A page, in units of pixels of the finished picture. Its background is opaque: it reads the same on any page."""

    def __init__(self, width: float, height: float) -> None:
        self._canvas = Image.new("RGB", (round(_SCALE * width), round(_SCALE * height)), PAPER)
        self._draw = ImageDraw.Draw(self._canvas)
        self.width = width

    def text(self, corner: Point, words: str, colour: str = INK, size: int = 14, anchor: str = "la") -> None:
        """Words whose `anchor` (as Pillow has it) is at the corner."""
        font = ImageFont.load_default(_SCALE * size)
        self._draw.text(_scaled(corner), words, fill=colour, font=font, anchor=anchor)

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        """A line through the points."""
        self._draw.line([_scaled(point) for point in points], fill=colour, width=round(_SCALE * width), joint="curve")

    def mark(self, centre: Point, colour: str, radius: float, *, sides: int = 0, turn: float = 0) -> None:
        """A dot, or a regular polygon of `sides` with a corner on top, turned by degrees."""
        x, y = _scaled(centre)
        if sides:
            self._draw.regular_polygon((x, y, _SCALE * radius), sides, rotation=turn, fill=colour)
        else:
            self._draw.circle((x, y), _SCALE * radius, fill=colour)

    def frame(self, corner: Point, side: float, colour: str, width: int) -> None:
        """A frame of `width` around the square whose upper left corner is given."""
        x, y = corner
        box = (x - width, y - width, x + side + width, y + side + width)
        self._draw.rectangle(_box(box), outline=colour, width=_SCALE * width)

    def picture(self, corner: Point, image: Image.Image, side: int) -> None:
        """A picture as a square of `side`."""
        larger = image.convert("RGB").resize((_SCALE * side, _SCALE * side), Image.Resampling.NEAREST)
        x, y = _scaled(corner)
        self._canvas.paste(larger, (round(x), round(y)))

    def save(self, out: Path) -> None:
        """Writes the page as a PNG."""
        self._canvas.reduce(_SCALE).save(out, format="PNG", optimize=True)


def text_width(words: str, size: int) -> float:
    """How much room words take on a sheet."""
    return ImageFont.load_default(_SCALE * size).getlength(words) / _SCALE


def ticks_between(low: float, high: float) -> list[float]:
    """Two to six round numbers at equal distances, the first at or below `low`, the last at or above `high`."""
    # Where nothing differs there is still an axis to draw.
    spread = max(high - low, 1e-3)
    rough = spread / 4
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * index for index in range(first, max(last, first + 1) + 1)]


def _scaled(point: Point) -> Point:
    return _SCALE * point[0], _SCALE * point[1]


def _box(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    # Pillow's lower right corner is inside.
    return _SCALE * left, _SCALE * top, _SCALE * right - 1, _SCALE * bottom - 1
