import math

import pytest

from service.deadline import NO_DEADLINE, Deadline


def test_a_moment_that_is_gone_has_passed_and_another_has_not() -> None:
    assert Deadline.after(0).passed
    assert not Deadline.after(3600).passed
    assert 0 < Deadline.after(3600).remaining_s <= 3600


def test_the_later_of_two_is_the_greater_whatever_was_allowed() -> None:
    early, late = Deadline(at=1.0, allowed_s=9.0), Deadline(at=2.0, allowed_s=1.0)
    assert max(late, early) is late
    assert max(late, NO_DEADLINE) is NO_DEADLINE


def test_none_never_passes() -> None:
    assert not NO_DEADLINE.passed
    assert NO_DEADLINE.remaining_s == math.inf


@pytest.mark.parametrize(("allowed_s", "words"), [(0.02, "within 0.02 s"), (30.0, "within 30 s")])
def test_its_error_says_how_much_time_there_was(allowed_s: float, words: str) -> None:
    assert words in Deadline.after(allowed_s).error().detail
