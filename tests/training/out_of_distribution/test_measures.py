import math

import pytest
import torch
from scipy.stats import mannwhitneyu

from training.out_of_distribution.measures import auroc, false_positive_rate


def test_the_auroc_is_that_of_the_mann_whitney_statistic_with_and_without_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    inside, outside = torch.randn(300, generator=generator), 0.5 + torch.randn(200, generator=generator)
    for decimals in (6, 0):
        known, others = inside.round(decimals=decimals).double(), outside.round(decimals=decimals).double()
        expected = mannwhitneyu(others.numpy(), known.numpy()).statistic / (300 * 200)
        assert auroc(known, others) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("inside", "outside", "expected"),
    [
        ([1, 2, 3], [4, 5], 1.0),
        ([4, 5], [1, 2, 3], 0.0),
        ([1, 1], [1, 1, 1], 0.5),
        ([1, 2], [2], 0.75),
        ([-math.inf, 0], [math.inf], 1.0),
    ],
)
def test_the_auroc_counts_pairs_and_half_of_a_tie(inside: list[float], outside: list[float], expected: float) -> None:
    assert auroc(torch.tensor(inside, dtype=torch.float64), torch.tensor(outside, dtype=torch.float64)) == expected


def test_the_false_positive_rate_is_the_share_kept_beside_95_percent_of_the_inside() -> None:
    inside = torch.arange(100).double()
    # The threshold is 94, the 95th of them.
    outside = torch.tensor([0.0, 94.0, 94.5, 99.0, 200.0]).double()
    assert false_positive_rate(inside, outside) == 2 / 5
    assert false_positive_rate(inside, outside, true_positive_rate=1.0) == 4 / 5


def test_a_threshold_among_ties_keeps_all_of_them() -> None:
    assert false_positive_rate(torch.ones(10), torch.tensor([1.0, 2.0])) == 0.5


@pytest.mark.parametrize(("inside", "outside"), [([], [1.0]), ([1.0], []), ([math.nan], [1.0]), ([1.0], [math.nan])])
def test_nothing_and_no_number_are_refused(inside: list[float], outside: list[float]) -> None:
    for measure in (auroc, false_positive_rate):
        with pytest.raises(ValueError, match="side: expected"):
            measure(torch.tensor(inside), torch.tensor(outside))
