"""The convergence curve of the exact-inference certificate, as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.convergence import Convergence

_INK, _PALE, _GRID, _ACCENT, _PAPER = "#1d2433", "#5b6472", "#e3e6eb", "#0b7a53", "#ffffff"
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 24, 88, 78
_PITCH, _PANEL, _BETWEEN = 96, 180, 56
# Drawn larger and then reduced, which smooths the lines.
_SCALE = 2


def draw_convergence(rungs: Sequence[Convergence], out: Path) -> None:
    """Draws the mean radius and, below, the 95th percentile of how far radii are from the last rung's.

    Args:
        rungs: the cheapest first; they stand side by side at equal distances. What is served is marked.
        out: the PNG that is written.
    """
    places = [_LEFT + _PITCH * (index + 0.5) for index in range(len(rungs))]
    bottom = _TOP + 2 * _PANEL + _BETWEEN
    sheet = _Sheet(max(places) + _PITCH / 2 + _RIGHT, bottom + _BOTTOM)
    sheet.text((16, 14), f"Exact-inference radii of {rungs[0].images} images, with more and more work", _INK, 17)
    for y, words in ((8, "steps x starts"), (27, "an image")):
        sheet.text((_LEFT - 2, bottom + y), words, _PALE, 12, "ra")
    for x, rung in zip(places, rungs, strict=True):
        sheet.text((x, bottom + 7), f"{rung.steps} x {rung.starts}", _INK, 14, "ma")
        sheet.text((x, bottom + 27), f"{rung.ms_per_image:.0f} ms", _PALE, 12, "ma")
        if rung.is_the_certificates:
            sheet.line([(x, _TOP), (x, bottom)], _ACCENT, 1)
            sheet.text((x, bottom + 46), "as served", _ACCENT, 13, "ma")
    means = [rung.mean_radius for rung in rungs]
    _panel(sheet, _TOP, "mean radius", places, means, _ticks(min(means), max(means)))
    title = "95th percentile of the distance to the right end's radius"
    distances = [rung.p95_difference for rung in rungs]
    _panel(sheet, _TOP + _PANEL + _BETWEEN, title, places, distances, _ticks(0, max(distances)))
    sheet.save(out)


class _Sheet:
    """A page, in units of pixels of the finished picture."""

    def __init__(self, width: float, height: float) -> None:
        self._canvas = Image.new("RGB", (round(_SCALE * width), round(_SCALE * height)), _PAPER)
        self._draw = ImageDraw.Draw(self._canvas)
        self.width = width

    def text(self, corner: tuple[float, float], words: str, colour: str, size: int, anchor: str = "la") -> None:
        font = ImageFont.load_default(_SCALE * size)
        self._draw.text(_scaled(corner), words, fill=colour, font=font, anchor=anchor)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: int) -> None:
        self._draw.line([_scaled(point) for point in points], fill=colour, width=_SCALE * width, joint="curve")

    def dot(self, centre: tuple[float, float], colour: str, radius: int) -> None:
        self._draw.circle(_scaled(centre), _SCALE * radius, fill=colour)

    def save(self, out: Path) -> None:
        self._canvas.reduce(_SCALE).save(out, format="PNG", optimize=True)


def _scaled(point: tuple[float, float]) -> tuple[float, float]:
    return _SCALE * point[0], _SCALE * point[1]


def _panel(
    sheet: _Sheet, top: float, title: str, places: Sequence[float], values: Sequence[float], ticks: Sequence[float]
) -> None:
    """One curve over its grid, from the first tick at the bottom to the last at the top."""

    def height(value: float) -> float:
        return top + _PANEL * (ticks[-1] - value) / (ticks[-1] - ticks[0])

    sheet.text((16, top - 32), title, _INK, 14)
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    for tick in ticks:
        sheet.line([(_LEFT, height(tick)), (sheet.width - _RIGHT, height(tick))], _GRID, 1)
        sheet.text((_LEFT - 10, height(tick)), f"{tick:.{digits}f}", _PALE, 12, "rm")
    points = [(x, height(value)) for x, value in zip(places, values, strict=True)]
    sheet.line(points, _INK, 2)
    for point in points:
        sheet.dot(point, _INK, 4)


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers at equal distances, the first at or below `low`, the last at or above `high`."""
    # Where nothing differs there is still an axis to draw.
    spread = max(high - low, 1e-3)
    rough = spread / 4
    power = 10 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * index for index in range(first, max(last, first + 1) + 1)]
