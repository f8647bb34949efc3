"""The convergence curve of the exact-inference certificate, as a picture."""

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.convergence import Convergence
from cli.figure import ACCENT, INK, PALE
from cli.sheet import GRID, Sheet, ticks_between

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 24, 88, 78
_PITCH, _PANEL, _BETWEEN = 96, 180, 56


def draw_convergence(rungs: Sequence[Convergence], out: Path) -> None:
    """Draws the mean radius and, below, the 95th percentile of how far radii are from the last rung's.

    Args:
        rungs: the cheapest first; they stand side by side at equal distances. What is served is marked.
        out: the PNG that is written.
    """
    places = [_LEFT + _PITCH * (index + 0.5) for index in range(len(rungs))]
    bottom = _TOP + 2 * _PANEL + _BETWEEN
    sheet = Sheet(max(places) + _PITCH / 2 + _RIGHT, bottom + _BOTTOM)
    sheet.text((16, 14), f"Exact-inference radii of {rungs[0].images} images, with more and more work", INK, 17)
    for y, words in ((8, "steps x starts"), (27, "an image")):
        sheet.text((_LEFT - 2, bottom + y), words, PALE, 12, "ra")
    for x, rung in zip(places, rungs, strict=True):
        sheet.text((x, bottom + 7), f"{rung.steps} x {rung.starts}", INK, 14, "ma")
        sheet.text((x, bottom + 27), f"{rung.ms_per_image:.0f} ms", PALE, 12, "ma")
        if rung.is_the_certificates:
            sheet.line([(x, _TOP), (x, bottom)], ACCENT, 1)
            sheet.text((x, bottom + 46), "as served", ACCENT, 13, "ma")
    means = [rung.mean_radius for rung in rungs]
    _panel(sheet, _TOP, "mean radius", places, means, ticks_between(min(means), max(means)))
    title = "95th percentile of the distance to the right end's radius"
    distances = [rung.p95_difference for rung in rungs]
    _panel(sheet, _TOP + _PANEL + _BETWEEN, title, places, distances, ticks_between(0, max(distances)))
    sheet.save(out)


def _panel(
    sheet: Sheet, top: float, title: str, places: Sequence[float], values: Sequence[float], ticks: Sequence[float]
) -> None:
    """One curve over its grid, from the first tick at the bottom to the last at the top."""

    def height(value: float) -> float:
        return top + _PANEL * (ticks[-1] - value) / (ticks[-1] - ticks[0])

    sheet.text((16, top - 32), title, INK, 14)
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    for tick in ticks:
        sheet.line([(_LEFT, height(tick)), (sheet.width - _RIGHT, height(tick))], GRID, 1)
        sheet.text((_LEFT - 10, height(tick)), f"{tick:.{digits}f}", PALE, 12, "rm")
    points = [(x, height(value)) for x, value in zip(places, values, strict=True)]
    sheet.line(points, INK, 2)
    for point in points:
        sheet.mark(point, INK, 4)
