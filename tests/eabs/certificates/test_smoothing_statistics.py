"""The statistics below certificates by smoothing, held against scipy's."""

import math

import numpy as np
import pytest
from scipy import stats

from eabs.certificates.smoothing import certified_radius, lower_confidence_bound, two_sided_p_value


@pytest.mark.parametrize("alpha", [1e-6, 0.001, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("trials", [1, 2, 10, 100, 1001, 100_000])
def test_the_bound_is_scipys_beta_quantile(trials: int, alpha: float) -> None:
    counts = sorted({1, 2, trials // 3, trials // 2, trials - 1, trials} - {0})
    for successes in (count for count in counts if count <= trials):
        expected = stats.beta.ppf(alpha, successes, trials - successes + 1)
        assert lower_confidence_bound(successes, trials, alpha) == pytest.approx(expected, rel=1e-10)


def test_the_bound_of_no_success_is_zero() -> None:
    assert lower_confidence_bound(0, 100, 0.001) == 0


def test_the_bound_of_all_successes_is_the_probability_that_makes_them_as_rare_as_alpha() -> None:
    assert lower_confidence_bound(100, 100, 0.001) ** 100 == pytest.approx(0.001)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.77, 0.95, 0.999])
@pytest.mark.parametrize("trials", [20, 500])
def test_the_bound_is_above_the_truth_no_more_often_than_alpha(probability: float, trials: int) -> None:
    alpha, repeats = 0.05, 20_000
    drawn = np.random.default_rng(1).binomial(trials, probability, repeats)
    counts, times = np.unique(drawn, return_counts=True)
    above = [lower_confidence_bound(int(count), trials, alpha) > probability for count in counts]
    # Four standard deviations of the share of failures.
    assert times[above].sum() / repeats <= alpha + 4 * math.sqrt(alpha * (1 - alpha) / repeats)


@pytest.mark.parametrize("first", [1, 2, 7, 50, 51, 65, 5000])
@pytest.mark.parametrize("second", [0, 1, 7, 50, 4700])
def test_the_p_value_is_scipys_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second, 0.5).pvalue
    assert two_sided_p_value(first, second) == pytest.approx(expected, rel=1e-10)


def test_the_radius_is_scipys_normal_quantile_and_zero_up_to_one_half() -> None:
    for probability in (0.500001, 0.6, 0.99, 1 - 1e-12):
        assert certified_radius(probability, 0.25) == pytest.approx(0.25 * stats.norm.ppf(probability), rel=1e-10)
    assert certified_radius(0.5, 0.25) == certified_radius(0.0, 0.25) == 0
