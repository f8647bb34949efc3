"""The rows of a robustness table: which images each of them counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.attacks.ball import NORMS, Norm
from training.reports.proportion import Proportion
from training.reports.report_file import Bools, RobustnessReport

NORM_TITLES: dict[Norm, str] = {"linf": "Linf", "l2": "L2"}

PAPER_ATTACKS: dict[Norm, dict[str, str]] = {
    "linf": {"pgd-linf": "PGD", "deepfool-linf": "DeepFool", "noise-linf": "Noise"},
    "l2": {"pgd-l2": "PGD", "ddn-l2": "DDN", "cw-l2": "CW", "deepfool-l2": "DeepFool", "noise-l2": "Noise"},
}
"""The attacks of the paper's Tables 1 to 4 and what they are called there, in its order."""


@dataclass(frozen=True)
class Row:
    """An image counts if it is classified as labelled, clean, and under each of the `attacks`.

    `key` names the row in files; `title` in tables; `norm` is None where no norm or both are meant.
    `attacks` is None for everything that the model was attacked with, of the norm or of both.
    """

    key: str
    title: str
    norm: Norm | None
    attacks: tuple[str, ...] | None

    @property
    def full_title(self) -> str:
        """The title with its norm, for where no heading says it."""
        return f"{self.title} {NORM_TITLES[self.norm]}" if self.norm else self.title

    def outcomes(self, report: RobustnessReport) -> Bools | None:
        """(N,) whether each image counts; None where the report lacks one of the attacks, or has none at all."""
        names = self.attacks
        if names is None:
            names = tuple(name for name, attack in report.attacks.items() if self.norm in (None, attack.norm))
            if not names:
                return None
        if any(name not in report.attacks for name in names):
            return None
        # An image lies inside every ball around it, so one that is misclassified is robust against nothing.
        robust: Bools = np.array([report.clean, *(report.attacks[name].robust for name in names)], dtype=np.bool_)
        standing: Bools = np.logical_and.reduce(robust)
        return standing

    def accuracy(self, report: RobustnessReport) -> Proportion | None:
        """The share of the report's images that count; None as in `outcomes`."""
        outcomes = self.outcomes(report)
        return None if outcomes is None else Proportion(int(outcomes.sum()), len(outcomes))


CLEAN = Row("clean", "Clean", None, ())

PAPER_ROWS: dict[Norm, tuple[Row, ...]] = {
    norm: (
        *(Row(name, title, norm, (name,)) for name, title in PAPER_ATTACKS[norm].items()),
        Row(f"all-{norm}", "All", norm, tuple(PAPER_ATTACKS[norm])),
    )
    for norm in NORMS
}
"""The rows of the paper's tables below `CLEAN`; the last of a norm counts images that withstand all of its attacks."""

WORST_OF_NORM: dict[Norm, Row] = {norm: Row(f"worst-{norm}", "Worst case", norm, None) for norm in NORMS}
WORST = Row("worst", "Worst case of all", None, None)
"""Worst cases over everything that a model was attacked with, whether the paper has that attack or not."""


def further_rows(reports: Sequence[RobustnessReport], norm: Norm) -> list[Row]:
    """A row for each attack of a norm that the paper's tables do not have, in the reports' order."""
    names = [name for report in reports for name, attack in report.attacks.items() if attack.norm == norm]
    return [Row(name, name, norm, (name,)) for name in dict.fromkeys(names) if name not in PAPER_ATTACKS[norm]]


def rows_of(reports: Sequence[RobustnessReport], norm: Norm) -> list[Row]:
    """All rows of a norm: the paper's, then further attacks, then the worst case; none where nothing was attacked."""
    if all(report.epsilon(norm) is None for report in reports):
        return []
    return [*PAPER_ROWS[norm], *further_rows(reports, norm), WORST_OF_NORM[norm]]
