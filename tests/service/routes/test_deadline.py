import pytest

from service.routes.deadline import deadline_of
from service.settings import Settings


@pytest.mark.parametrize(("asked_ms", "seconds"), [(None, 2.0), (500, 0.5), (2000, 2.0), (600_000, 2.0)])
def test_a_client_may_ask_for_less_time_and_not_for_more(asked_ms: int | None, seconds: float) -> None:
    assert deadline_of(Settings(request_timeout_s=2.0), asked_ms).allowed_s == seconds
