import pytest

from client import ConnectionFailed, DeadlinePassed, Malformed, Overloaded, Problem, Retries, TimedOut, Unavailable
from client.errors import EABSError


def refused(form: type[Problem], retry_after: float | None = None) -> Problem:
    return form("no", status=429, kind="", request_id=None, retry_after=retry_after)


@pytest.mark.parametrize("error", [refused(Overloaded), refused(Unavailable), ConnectionFailed("lost")])
def test_what_may_pass_is_tried_again_after_pauses_that_grow_to_a_limit(error: EABSError) -> None:
    retries = Retries(attempts=8, first_s=1, longest_s=4)
    longest = [max(retries.pause_s(attempt, error) or 0 for _ in range(300)) for attempt in range(7)]
    assert longest == pytest.approx([1, 2, 4, 4, 4, 4, 4], rel=0.1)
    assert retries.pause_s(7, error) is None


@pytest.mark.parametrize("error", [refused(Malformed), refused(DeadlinePassed), TimedOut("late"), EABSError("other")])
def test_nothing_else_is(error: EABSError) -> None:
    assert Retries().pause_s(0, error) is None


def test_what_the_server_says_is_waited_for_in_full_and_jitter_comes_on_top() -> None:
    pauses = [Retries(first_s=2, longest_s=2).pause_s(0, refused(Overloaded, 30)) or 0 for _ in range(300)]
    assert 30 <= min(pauses) < max(pauses) <= 32


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_s": -1.0}, {"first_s": 3.0, "longest_s": 2.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected attempts"):
        Retries(**wrong)  # type: ignore[arg-type]
