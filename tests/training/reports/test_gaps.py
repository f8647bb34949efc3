import math

import pytest

from tests.training.reports.documents import a_report
from training.reports.gaps import gaps


def right(count: int, images: int) -> str:
    return "1" * count + "0" * (images - count)


def test_gaps_over_three_points_are_listed_and_others_are_not() -> None:
    # The paper: clean 99.4, PGD Linf 17.1, PGD L2 90.6.
    report = a_report(right(993, 1000), {"pgd-linf": right(70, 1000), "pgd-l2": right(940, 1000)})
    linf, l2 = gaps({"E-ABS": report})
    assert (linf.model, linf.row.key, l2.row.key) == ("E-ABS", "pgd-linf", "pgd-l2")
    assert (linf.points, l2.points) == pytest.approx((-10.1, 3.4))


def test_three_points_exactly_are_no_gap() -> None:
    assert gaps({"E-ABS": a_report(right(964, 1000))}) == []


def test_few_images_explain_a_gap_that_many_do_not() -> None:
    # 85 % of both against the paper's 90.6 %, all of them right when clean.
    few, many = (a_report(right(n, n), {"pgd-l2": right(85 * n // 100, n)}) for n in (20, 1000))
    (small,), (large,) = gaps({"E-ABS": few}), gaps({"E-ABS": many})
    assert small.points == large.points == pytest.approx(-5.6)
    assert (small.within_sampling_error, large.within_sampling_error) == (True, False)


def test_the_interval_of_a_gap_is_that_of_the_difference_in_points() -> None:
    (gap,) = gaps({"E-ABS": a_report(right(100, 100), {"pgd-l2": right(86, 100)})})
    # Both Wilson intervals, [77.86, 91.47] and [88.63, 92.26], combined.
    low, high = -4.6 - math.hypot(86 - 77.86, 92.26 - 90.6), -4.6 + math.hypot(91.47 - 86, 90.6 - 88.63)
    assert gap.interval == pytest.approx((low, high), abs=0.01)


def test_models_and_data_sets_that_the_paper_lacks_have_no_gaps() -> None:
    assert gaps({"A": a_report("0000", dataset="folder"), "B": a_report("0000", kind="resnet")}) == []
