from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from client.retry_after import retry_after_s

NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("7", 7.0), (" 120 ", 120.0)])
def test_seconds_are_seconds(value: str, seconds: float) -> None:
    assert retry_after_s({"Retry-After": value}) == seconds


def test_a_date_is_held_against_the_answers_own() -> None:
    later = NOON + timedelta(seconds=90)
    headers = {"Retry-After": format_datetime(later, usegmt=True), "Date": format_datetime(NOON, usegmt=True)}
    assert retry_after_s(headers) == 90


def test_a_date_without_the_answers_own_is_held_against_this_clock() -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    found = retry_after_s({"Retry-After": format_datetime(later, usegmt=True)})
    assert found is not None
    assert 1800 < found <= 3600


def test_a_date_that_has_passed_is_now() -> None:
    assert retry_after_s({"Retry-After": format_datetime(NOON - timedelta(days=365), usegmt=True)}) == 0


@pytest.mark.parametrize("value", ["", "soon", "-3", "1.5", "٣"])
def test_what_cannot_be_read_is_none(value: str) -> None:
    assert retry_after_s({"Retry-After": value}) is None


def test_an_answer_without_it_says_none() -> None:
    assert retry_after_s({}) is None
