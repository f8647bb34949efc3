"""What the paper (Ju & Wagner, "E-ABS", AISec 2020) reports in Tables 1 to 5: accuracy in percent."""

import math
from dataclasses import dataclass

from training.attacks.ball import NORMS, Norm
from training.reports.proportion import Proportion
from training.reports.report_file import RobustnessReport
from training.reports.rows import CLEAN, PAPER_ROWS, Row

IMAGES = 1000
"""Of the test set, for every figure."""


@dataclass(frozen=True)
class PaperFigure:
    """One cell; `doubtful` where it may not be what the authors measured, for the reason that its table gives."""

    percent: float
    doubtful: bool = False

    @classmethod
    def parse(cls, cell: str) -> "PaperFigure":
        """A number, with a question mark where it is doubtful."""
        return cls(float(cell.rstrip("?")), cell.endswith("?"))

    @property
    def proportion(self) -> Proportion:
        """The images that it stands for."""
        return Proportion(round(self.percent / 100 * IMAGES), IMAGES)

    def __str__(self) -> str:
        return f"{self.percent:.1f}{'?' if self.doubtful else ''}"


@dataclass(frozen=True)
class PaperTable:
    """One of Tables 1 to 4: how far the attacks went, and a model's figures by its kind and the row's key.

    `doubts`: a sentence on the doubtful cells, empty where there are none.
    """

    number: int
    epsilons: dict[Norm, float]
    figures: dict[str, dict[str, PaperFigure]]
    doubts: str = ""


def _column(clean: float, linf: str, l2: str) -> dict[str, PaperFigure]:
    """A column of Tables 1 to 4: the norms' rows as printed, with slashes between."""
    column = {CLEAN.key: PaperFigure(clean)}
    for norm, cells in zip(NORMS, (linf, l2), strict=True):
        for row, cell in zip(PAPER_ROWS[norm], cells.split(" / "), strict=True):
            column[row.key] = PaperFigure.parse(cell)
    return column


def _short_column(clean: float, pgd_linf: float, pgd_l2: float) -> dict[str, PaperFigure]:
    """A column of Table 5."""
    cells = {CLEAN.key: clean, "pgd-linf": pgd_linf, "pgd-l2": pgd_l2}
    return {key: PaperFigure(percent) for key, percent in cells.items()}


TABLES = {
    "mnist": PaperTable(
        1,
        {"linf": 0.3, "l2": 1.5},
        {
            "cnn": _column(99.5, "0 / 17.4 / 99.3 / 0", "72.8 / 62.3 / 86.8 / 83.8 / 99.3 / 61.8"),
            "adv-linf": _column(98.5, "90.4 / 92.9 / 98.4 / 90.3", "88.4 / 81.7 / 91.2 / 93.1 / 98.5 / 81.5"),
            "adv-l2": _column(98.6, "0 / 43.8 / 98.5 / 0", "89.3 / 87.5 / 94.7 / 92.2 / 98.6 / 87.5"),
            "abs": _column(96.1, "3.4 / 6.2 / 95.8 / 3.3", "75.2 / 74.1 / 82.8 / 74.4? / 95.9? / 73.7"),
            "e-abs": _column(99.4, "17.1 / 31 / 99.1 / 16.5", "90.6 / 91.4 / 94.8 / 91.1 / 99.4 / 90.4"),
        },
        doubts="ABS under L2: the printed DeepFool and Noise are taken to be exchanged, noise being far the weaker",
    ),
    "fashion_mnist": PaperTable(
        2,
        {"linf": 0.1, "l2": 1.5},
        {
            "cnn": _column(91.0, "9.4 / 25.9 / 90.5 / 9.4", "19.1 / 13.4 / 30.7 / 28.9 / 90.9 / 13.2"),
            "adv-linf": _column(88.9, "57 / 64.9 / 88.9 / 57", "51.9 / 46.6 / 61 / 56.4 / 88.8 / 45.9"),
            "adv-l2": _column(87.4, "56 / 63.2 / 86.5 / 55.7", "59.2 / 57.2 / 63.6 / 60.4 / 87.1 / 55.1"),
            "abs": _column(81.6, "46.2 / 47.7 / 81.4 / 45.8", "46.6 / 45.4 / 50.7 / 46.4 / 81.2 / 45.2"),
            "e-abs": _column(90.1, "43.5 / 45.7 / 0.9? / 43.5", "43.3 / 49.9 / 54.1 / 44.3 / 89.6 / 41.7"),
        },
        doubts="E-ABS under Linf noise: 0.9 is printed, where 90 is likely",
    ),
    "supertraffic10": PaperTable(
        3,
        {"linf": 8 / 255, "l2": 1.5},
        {
            "cnn": _column(99.0, "29.8 / 48.1 / 99.1 / 29.8", "14.8 / 9.3 / 14.5 / 33 / 98.6 / 8.7"),
            "adv-linf": _column(91.4, "74.3? / 74.9? / 91.7? / 73.7?", "46.2 / 44.6 / 51 / 49 / 91.6 / 44.3"),
            "adv-l2": _column(91.6, "60.2 / 64.6 / 91.6 / 59.9", "53.7 / 52.4 / 54.5 / 56.6 / 91.4 / 52.2"),
            "abs": _column(84.9, "53.4 / 54.5 / 84.8 / 53.2", "48 / 47.1 / 47 / 48.7 / 86.3 / 46.3"),
            "e-abs": _column(92.7, "70.9? / 82.1? / 91.7? / 69.8?", "66.1 / 73 / 73.8 / 73.8? / 93.3? / 59.9"),
        },
        doubts="under Linf, the columns of Adv-Linf and E-ABS may be exchanged: the text says that E-ABS is ahead; "
        "E-ABS under L2: the printed DeepFool and Noise are taken to be exchanged, noise being far the weaker",
    ),
    "svhn": PaperTable(
        4,
        {"linf": 8 / 255, "l2": 1.5},
        {
            "cnn": _column(91.3, "0 / 0.1 / 90.7 / 0", "0 / 0 / 0 / 0 / 90 / 0"),
            "adv-linf": _column(89.0, "37.2 / 50.4 / 89 / 37.2", "5.1 / 3.7 / 5.5 / 13.4 / 89.4 / 3.6"),
            "adv-l2": _column(87.1, "26.7 / 36.6 / 87 / 26.7", "13.4 / 11.6 / 13.7 / 19.1 / 87.4 / 10.9"),
            "abs": _column(45.8, "6.6 / 8.4 / 45.7 / 6.6", "4.4 / 4.3 / 4.5 / 4.7 / 43.5 / 4.3"),
            "e-abs": _column(89.2, "57 / 64.1 / 89.3 / 55.7", "40.9 / 57.8 / 47.6 / 51.6 / 88.8 / 36")
            | {"estimated-pgd-linf": PaperFigure(88.0), "boundary-l2": PaperFigure(92.0, doubtful=True)},
            "a-abs": _short_column(23.7, 6.4, 5.9),
            "d-abs": _short_column(44.9, 8.4, 5.6),
            "v-abs": _short_column(44.1, 2.5, 2.1),
            "ad-abs": _short_column(30.8, 2.3, 1.5),
            "av-abs": _short_column(60.1, 11.0, 8.2),
            "dv-abs": _short_column(65.7, 18.9, 14.0),
        },
        doubts="E-ABS under the Boundary attack: 92.0 is printed, which is more than its clean accuracy",
    ),
}
"""Tables 1 to 4 by data set; Table 5, the ablation, went as far as Table 4 and stands in it.

So do the gradient-free attacks of section 5.
"""


def paper_figure(report: RobustnessReport, row: Row) -> PaperFigure | None:
    """What the paper reports of this kind of model; None where it has no such cell, or has it at another epsilon."""
    table = TABLES.get(report.dataset)
    if table is None:
        return None
    if row.norm is not None:
        epsilon = report.epsilon(row.norm)
        if epsilon is None or not math.isclose(epsilon, table.epsilons[row.norm], rel_tol=1e-4):
            return None
    return table.figures.get(report.subject.kind, {}).get(row.key)
