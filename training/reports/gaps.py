"""Where our figures and the paper's are further apart than three points, and whether the samples explain it."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.attacks.ball import NORMS
from training.reports.paper_figures import PaperFigure, paper_figure
from training.reports.proportion import Proportion, difference_interval
from training.reports.report_file import RobustnessReport
from training.reports.rows import CLEAN, Row, rows_of

POINTS = 3.0


@dataclass(frozen=True)
class Gap:
    """A cell of the table: ours, the paper's, and the 95 % interval of the difference, in points."""

    model: str
    row: Row
    ours: Proportion
    paper: PaperFigure

    @property
    def points(self) -> float:
        """Ours less the paper's."""
        return 100 * self.ours.share - self.paper.percent

    @property
    def interval(self) -> tuple[float, float]:
        """As if both samples were drawn independently; where they share images, the truth is narrower."""
        low, high = difference_interval(self.ours, self.paper.proportion)
        return 100 * low, 100 * high

    @property
    def within_sampling_error(self) -> bool:
        """Whether two samples of these sizes may differ so much by chance: 0 is in the interval."""
        low, high = self.interval
        return low <= 0 <= high


def gaps(columns: Mapping[str, RobustnessReport]) -> list[Gap]:
    """Every cell that the paper has too and that is more than `POINTS` away from it, column by column.

    Args:
        columns: the reports by their columns' headings.
    """
    rows = [CLEAN, *(row for norm in NORMS for row in rows_of(list(columns.values()), norm))]
    found = []
    for model, report in columns.items():
        for row in rows:
            ours, paper = row.accuracy(report), paper_figure(report, row)
            if ours is not None and paper is not None:
                gap = Gap(model, row, ours, paper)
                # Percentages have one decimal at most; three points exactly are not over three.
                if abs(gap.points) > POINTS + 1e-9:
                    found.append(gap)
    return found
