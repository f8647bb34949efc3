"""What robustness tables say, as JSON."""

from collections.abc import Mapping
from typing import Any

from training.attacks.ball import NORMS
from training.reports.columns import epsilon_of
from training.reports.gaps import Gap, gaps
from training.reports.pairs import PairTest, compare_pairs
from training.reports.paper_figures import paper_figure
from training.reports.report_file import RobustnessReport
from training.reports.rows import CLEAN, WORST, Row, rows_of


def summary(columns: Mapping[str, RobustnessReport], *, paper: bool) -> dict[str, Any]:
    """Accuracies with intervals, tests of the pairs, and where asked for the paper's figures and the gaps to them.

    Args:
        columns: comparable reports of one data set by their columns' headings.
        paper: whether the paper's figures are wanted.
    """
    reports = list(columns.values())
    rows = [CLEAN, *(row for norm in NORMS for row in rows_of(reports, norm)), WORST]
    found = {
        "dataset": reports[0].dataset,
        "split": reports[0].split,
        "images": reports[0].images,
        "epsilons": {norm: size for norm in NORMS if (size := epsilon_of(columns, norm)) is not None},
        "models": {heading: report.subject.model_dump() for heading, report in columns.items()},
        "accuracy": {
            row.key: {heading: _accuracy(report, row, paper=paper) for heading, report in columns.items()}
            for row in rows
        },
        "pairs": [_pair(test) for test in compare_pairs(columns)],
    }
    return found | {"gaps": [_gap(gap) for gap in gaps(columns)]} if paper else found


def _accuracy(report: RobustnessReport, row: Row, *, paper: bool) -> dict[str, Any] | None:
    """One cell; None where the model was not attacked so and the paper's figure is not wanted or not there."""
    accuracy, figure = row.accuracy(report), paper_figure(report, row) if paper else None
    cell: dict[str, Any] = {}
    if accuracy is not None:
        cell |= {"count": accuracy.count, "share": accuracy.share, "interval": list(accuracy.interval)}
    if figure is not None:
        cell["paper"] = {"percent": figure.percent, "doubtful": figure.doubtful}
    return cell or None


def _pair(test: PairTest) -> dict[str, Any]:
    return {
        "outcome": test.outcome,
        "first": test.first,
        "second": test.second,
        "only_first": test.counts.only_first,
        "only_second": test.counts.only_second,
        "p": test.counts.p_value,
        "adjusted_p": test.adjusted_p,
        "significant": test.is_significant,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "model": gap.model,
        "row": gap.row.key,
        "points": gap.points,
        "interval": list(gap.interval),
        "within_sampling_error": gap.within_sampling_error,
    }
