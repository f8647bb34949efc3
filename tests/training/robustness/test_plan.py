import pytest

from tests.training.robustness.brightness import Draws, attacks, plan
from training.robustness.plan import CURVE_SHARES, paper_epsilons


@pytest.mark.parametrize(
    ("like", "linf"), [("mnist", 0.3), ("fashion_mnist", 0.1), ("svhn", 8 / 255), ("supertraffic10", 8 / 255)]
)
def test_bounds_are_the_papers(like: str, linf: float) -> None:
    assert paper_epsilons(like) == {"linf": linf, "l2": 1.5}


def drawn_with(work: str, chunk: int, seed: int = 0) -> int:
    found = plan(seed=seed).attack("noise-linf", work, chunk).attack
    assert isinstance(found, Draws)
    return found.seed


def test_every_chunk_of_every_work_has_a_seed_of_its_own() -> None:
    seeds = {drawn_with(work, chunk, seed) for work in ("a", "b") for chunk in range(5) for seed in (0, 1)}
    assert len(seeds) == 20
    assert drawn_with("a", 3) == drawn_with("a", 3)
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_curves_are_measured_by_pgd_at_shares_of_the_bound() -> None:
    assert plan().curve_epsilons == {}
    found = plan(curves=True).curve_epsilons
    assert found["l2"] == tuple(share * 0.4 for share in CURVE_SHARES)
    assert 0.4 in found["l2"]
    assert list(found) == ["linf", "l2"]


def test_a_norm_without_pgd_has_no_curve() -> None:
    only = plan(attacks=lambda seed: attacks(seed)[1:], curves=True)
    assert list(only.curve_epsilons) == ["l2"]


def test_the_description_names_bounds_and_settings() -> None:
    assert plan().described()["pgd-l2"] == {"norm": "l2", "epsilon": 0.4, "settings": {"steps": 1}}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"attacks": lambda _: []}, "attacks: expected at least one"),
        ({"epsilons": {"linf": 0.1}}, "epsilons: expected a bound for l2"),
        ({"epsilons": {"linf": 0.1, "l2": 0.0}}, "l2: expected a bound above 0, got 0.0"),
        ({"epsilons": {"linf": 0.1, "l2": float("nan")}}, "l2: expected a bound above 0, got nan"),
        ({"attacks": lambda seed: attacks(seed)[2:], "curves": True}, "curve: expected pgd-linf or pgd-l2"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        plan(**changes)
