"""Accuracy against the size of the perturbation, a line a model, a panel a norm, as the paper's Figure 3."""

from collections.abc import Mapping
from pathlib import Path

from cli.figure import ACCENT, INK, PALE
from cli.sheet import GRID, Sheet, text_width, ticks_between
from training.attacks.ball import NORMS, Norm
from training.reports.columns import epsilon_of
from training.reports.markdown import epsilon_text, title_of
from training.reports.proportion import Proportion
from training.reports.report_file import RobustnessReport
from training.reports.rows import NORM_TITLES

_PANEL, _HEIGHT, _LEFT, _BETWEEN, _RIGHT, _BOTTOM = 360, 250, 64, 66, 24, 62
_TITLE, _LEGEND_LINE = 48, 24
_MOST_LABELS = 8
# Okabe and Ito's colours, which differ for the colour-blind too, less those too pale on white; and a shape for each.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#1d2433", "#8a6d00", "#56b4e9")
_SHAPES: tuple[tuple[int, float], ...] = ((0, 0), (4, 0), (3, 0), (4, 45), (3, 180), (6, 0), (5, 0))

Points = list[tuple[float, Proportion]]
"""Accuracy at each epsilon, from 0 on."""


def curve_of(report: RobustnessReport, norm: Norm) -> Points | None:
    """Accuracy without a perturbation and at each epsilon; None where the report has no curve of the norm."""
    curve = report.curves.get(norm)
    if curve is None:
        return None
    steps = [(0.0, report.clean), *zip(curve.epsilons, curve.robust, strict=True)]
    return [(epsilon, Proportion(sum(robust), len(robust))) for epsilon, robust in steps]


def draw_curves(columns: Mapping[str, RobustnessReport], out: Path) -> bool:
    """Draws the models' curves, with 95 % intervals; the epsilon of the tables is marked.

    Args:
        columns: comparable reports by what the models are called.
        out: the PNG that is written.

    Returns:
        Whether there was anything to draw.
    """
    curves = {
        norm: {name: points for name, report in columns.items() if (points := curve_of(report, norm))} for norm in NORMS
    }
    norms = [norm for norm in NORMS if curves[norm]]
    if not norms:
        return False
    names = [name for name in columns if any(name in curves[norm] for norm in norms)]
    width = _LEFT + len(norms) * (_PANEL + _BETWEEN) - _BETWEEN + _RIGHT
    legend = _legend_places(names, width - 32)
    top = _TITLE + (legend[-1][1] + 1) * _LEGEND_LINE + 40
    sheet = Sheet(width, top + _HEIGHT + _BOTTOM)
    first = next(iter(columns.values()))
    sheet.text((16, 14), f"{title_of(first.dataset)}: accuracy under PGD, {first.images} {first.split} images", INK, 17)
    styles = {name: place % len(_COLOURS) for place, name in enumerate(columns)}
    for name, (x, line) in zip(names, legend, strict=True):
        y = _TITLE + line * _LEGEND_LINE + 8
        sheet.line([(16 + x, y), (16 + x + 26, y)], _COLOURS[styles[name]], 2)
        _mark(sheet, (16 + x + 13, y), styles[name])
        sheet.text((16 + x + 33, y), name, INK, 14, "lm")
    for place, norm in enumerate(norms):
        left = _LEFT + place * (_PANEL + _BETWEEN)
        _panel(sheet, (left, top), norm, curves[norm], styles, epsilon=epsilon_of(columns, norm))
    sheet.save(out)
    return True


def _panel(
    sheet: Sheet,
    corner: tuple[float, float],
    norm: Norm,
    curves: Mapping[str, Points],
    styles: Mapping[str, int],
    *,
    epsilon: float | None,
) -> None:
    left, top = corner
    bottom, right = top + _HEIGHT, left + _PANEL
    measured = sorted({size for points in curves.values() for size, _ in points})
    furthest = measured[-1]

    def place(size: float, share: float) -> tuple[float, float]:
        return left + _PANEL * size / furthest, bottom - _HEIGHT * share

    sheet.text((left, top - 30), f"{NORM_TITLES[norm]}: accuracy, %", INK, 14)
    for percent in range(0, 101, 20):
        y = place(0, percent / 100)[1]
        sheet.line([(left, y), (right, y)], GRID, 1)
        sheet.text((left - 10, y), str(percent), PALE, 12, "rm")
    labelled = measured if len(measured) <= _MOST_LABELS else [t for t in ticks_between(0, furthest) if t <= furthest]
    for size in labelled:
        x = place(size, 0)[0]
        sheet.line([(x, bottom), (x, bottom + 5)], PALE, 1)
        sheet.text((x, bottom + 8), epsilon_text(size, norm) if size else "0", PALE, 12, "ma")
    sheet.text(((left + right) / 2, bottom + 30), "epsilon, over [0, 1] pixels", INK, 13, "ma")
    if epsilon is not None and epsilon <= furthest:
        x = place(epsilon, 0)[0]
        sheet.line([(x, top), (x, bottom)], ACCENT, 1)
        sheet.text((x, top - 14), "tables", ACCENT, 12, "ma")
    for name, points in curves.items():
        colour = _COLOURS[styles[name]]
        for size, accuracy in points:
            low, high = accuracy.interval
            sheet.line([place(size, low), place(size, high)], colour, 1)
        sheet.line([place(size, accuracy.share) for size, accuracy in points], colour, 2)
        for size, accuracy in points:
            _mark(sheet, place(size, accuracy.share), styles[name])


def _mark(sheet: Sheet, centre: tuple[float, float], style: int) -> None:
    sides, turn = _SHAPES[style]
    sheet.mark(centre, _COLOURS[style], 5.5 if sides else 4.5, sides=sides, turn=turn)


def _legend_places(names: list[str], room: float) -> list[tuple[float, int]]:
    """Where each name begins, and in which line, so that all stay inside the room."""
    places: list[tuple[float, int]] = []
    x, line = 0.0, 0
    for name in names:
        wide = 33 + text_width(name, 14) + 22
        if x and x + wide > room:
            x, line = 0.0, line + 1
        places.append((x, line))
        x += wide
    return places
