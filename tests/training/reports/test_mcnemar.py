import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as reference

from tests.training.reports.documents import outcomes
from training.reports.mcnemar import McNemar, holm, mcnemar


def test_only_images_about_which_the_two_differ_count() -> None:
    found = mcnemar(np.array(outcomes("11110000")), np.array(outcomes("11001000")))
    assert (found.only_first, found.only_second) == (2, 1)


def test_nine_of_ten_has_the_tails_of_ten_coins() -> None:
    assert McNemar(1, 9).p_value == pytest.approx(2 * (1 + 10) / 2**10)


def test_approval_of_a_prime_minister_changed() -> None:
    # Agresti, "Categorical Data Analysis", table 10.1: 150 changed to disapproval, 86 to approval; z = 4.17.
    assert McNemar(86, 150).p_value == pytest.approx(3.7e-5, rel=0.02)


def test_classifiers_that_agree_everywhere_do_not_differ() -> None:
    assert McNemar(0, 0).p_value == 1


@settings(max_examples=50)
@given(st.integers(0, 60), st.integers(0, 60))
def test_the_p_value_is_that_of_another_implementation(first: int, second: int) -> None:
    expected = reference([[5, first], [second, 5]], exact=True).pvalue if first + second else 1
    assert McNemar(first, second).p_value == pytest.approx(expected)


def test_outcomes_on_other_numbers_of_images_are_refused() -> None:
    with pytest.raises(ValueError, match="second: expected 3 outcomes, got 2"):
        mcnemar(np.array([True] * 3), np.array([True] * 2))


def test_holm_multiplies_by_how_many_are_left_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_keeps_equal_values_and_stays_at_one() -> None:
    assert holm([0.5, 0.02, 0.02]) == pytest.approx([0.5, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
