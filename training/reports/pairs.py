"""Which of two models is better: McNemar's test for every pair of models, of clean images and of worst cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from training.attacks.ball import NORMS
from training.reports.mcnemar import ALPHA, McNemar, holm, mcnemar
from training.reports.report_file import RobustnessReport
from training.reports.rows import CLEAN, PAPER_ATTACKS, PAPER_ROWS, WORST_OF_NORM


@dataclass(frozen=True)
class PairTest:
    """One test; `adjusted_p` is the p value after Holm's correction over all tests of the models."""

    outcome: str
    first: str
    second: str
    counts: McNemar
    adjusted_p: float

    @property
    def is_significant(self) -> bool:
        """At `ALPHA`."""
        return self.adjusted_p < ALPHA


def compare_pairs(columns: Mapping[str, RobustnessReport]) -> list[PairTest]:
    """Tests every pair of models on clean images, under all the paper's attacks of a norm, and in the worst case of it.

    The worst case is of what each model was attacked with. Where that is the paper's attacks for both, it is not tested
    twice. Where one of the two lacks an attack of the paper, there is no test under all of them.

    Args:
        columns: comparable reports by their columns' headings.
    """
    tests: list[tuple[str, str, str, McNemar]] = []
    for (first, one), (second, other) in combinations(columns.items(), 2):
        rows = [CLEAN]
        for norm in NORMS:
            rows.append(PAPER_ROWS[norm][-1])
            if any(_attacks(report, norm) != set(PAPER_ATTACKS[norm]) for report in (one, other)):
                rows.append(WORST_OF_NORM[norm])
        for row in rows:
            right, other_right = row.outcomes(one), row.outcomes(other)
            if right is not None and other_right is not None:
                tests.append((row.full_title, first, second, mcnemar(right, other_right)))
    adjusted = holm([counts.p_value for *_, counts in tests])
    found = [PairTest(*test, adjusted_p=p) for test, p in zip(tests, adjusted, strict=True)]
    order = list(dict.fromkeys(test.outcome for test in found))
    return sorted(found, key=lambda test: order.index(test.outcome))


def _attacks(report: RobustnessReport, norm: str) -> set[str]:
    return {name for name, attack in report.attacks.items() if attack.norm == norm}
