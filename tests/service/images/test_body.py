import pytest

from service.errors import QueueFull
from service.images.body import BodyBudget


def test_all_bodies_together_stay_below_the_budget() -> None:
    budget = BodyBudget(100)
    with budget.share() as first, budget.share() as second:
        first(60)
        second(40)
        with pytest.raises(QueueFull, match="at most 100 bytes in all requests"):
            second(41)
        first(59)
        second(41)


def test_a_request_gives_its_share_back_however_it_ends() -> None:
    budget = BodyBudget(100)

    def fail() -> None:
        with budget.share() as resize:
            resize(100)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert budget.held == 0
