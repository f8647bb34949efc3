from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.evaluate.curve_figure import curve_of, draw_curves
from tests.training.reports.documents import a_report

BLUE, VERMILION = (0, 114, 178), (213, 94, 0)


def page_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.asarray(image)


def rows_of(page: np.ndarray, colour: tuple[int, int, int], *, below: int) -> np.ndarray:
    """Which lines of the page, further down than `below`, have a pixel of the colour."""
    found = np.flatnonzero((page == colour).all(axis=2).any(axis=1))
    return found[found > below]


def test_a_curve_begins_with_the_clean_accuracy() -> None:
    report = a_report("1110", {"pgd-l2": "1000"}, curves={"l2": ("1100", "1000")})
    points = curve_of(report, "l2")
    assert points is not None
    assert [(size, accuracy.share) for size, accuracy in points] == [(0, 0.75), (0.75, 0.5), (1.5, 0.25)]
    assert curve_of(report, "linf") is None


def test_what_withstands_more_is_drawn_higher(tmp_path: Path) -> None:
    count = 400
    strong = a_report("1" * count, curves={"linf": ("1" * count, "1" * count)}, kind="cnn")
    weak = a_report("1" * count, curves={"linf": ("0" * count, "0" * count)})
    assert draw_curves({"CNN": strong, "E-ABS": weak}, tmp_path / "curves.png")
    page = page_of(tmp_path / "curves.png")
    # Below the title and the legend, the first model's line stays at the top and the second's falls to the bottom.
    blue, vermilion = rows_of(page, BLUE, below=90), rows_of(page, VERMILION, below=90)
    assert blue.max() - blue.min() < 20
    assert vermilion.max() - vermilion.min() == pytest.approx(250, abs=12)
    assert blue.mean() < vermilion.mean() - 100


def test_there_is_a_panel_for_every_norm_that_was_measured(tmp_path: Path) -> None:
    one = a_report("11", curves={"l2": ("11", "10")})
    two = a_report("11", curves={"l2": ("11", "10"), "linf": ("10", "00")})
    widths = []
    for report in (one, two):
        draw_curves({"E-ABS": report}, tmp_path / "curves.png")
        widths.append(page_of(tmp_path / "curves.png").shape[1])
    assert widths == [448, 874]


def test_many_long_names_stay_on_the_page(tmp_path: Path) -> None:
    columns = {f"E-ABS (a model with a long name, {n})": a_report("11", curves={"l2": ("11", "10")}) for n in range(7)}
    assert draw_curves(columns, tmp_path / "curves.png")
    page = page_of(tmp_path / "curves.png")
    assert (page[:, -8:] == 255).all()


def test_without_curves_nothing_is_drawn(tmp_path: Path) -> None:
    assert not draw_curves({"E-ABS": a_report("11", {"pgd-l2": "11"})}, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
