import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.sheet import ticks_between


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.5, 1.0]), (0.9, 2.1, [0.5, 1.0, 1.5, 2.0, 2.5]), (3, 3, [3.0, 3.0005])],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, ticks: list[float]) -> None:
    assert ticks_between(low, high) == pytest.approx(ticks)


@given(st.floats(0, 1e3), st.floats(1e-2, 1e3))
def test_there_are_a_few_ticks_whatever_the_values(low: float, spread: float) -> None:
    ticks = ticks_between(low, low + spread)
    assert 2 <= len(ticks) <= 6
    assert ticks[0] <= low * (1 + 1e-6) + 1e-9
    assert ticks[-1] >= (low + spread) * (1 - 1e-6)
