from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.conftest import Trained
from training.attacks.suites import suite
from training.convergence import expectation, measure_convergence, settings_varied, sweeps

POOL = torch.zeros(1, 1, 28, 28)
SWEEPS = sweeps(pool=POOL, restarts=1, seed=0)
BY_GRADIENTS = ("pgd", "deepfool", "ddn", "cw", "apgd", "encoder", "unrolled")


def predictions(digits: Trained, images: Tensor) -> Tensor:
    answers: Tensor = digits.classifier(images).argmax(1)
    return answers


def points(digits: Trained, name: str, values: tuple[int, ...], epsilon: float, labels: Tensor) -> list[float]:
    found = list(
        measure_convergence(
            SWEEPS[name],
            values,
            lambda _: digits.classifier,
            lambda images: predictions(digits, images),
            digits.images,
            labels,
            epsilon,
        )
    )
    assert [point.value for point in found] == list(values)
    return [point.accuracy for point in found]


@pytest.mark.parametrize("name", [name for name in SWEEPS if name.startswith(BY_GRADIENTS) and name.endswith("steps")])
def test_without_a_step_accuracy_is_clean_and_with_many_it_has_fallen(digits: Trained, name: str) -> None:
    epsilon = 0.3 if SWEEPS[name].norm == "linf" else 3.0
    clean, attacked = points(digits, name, (0, 60), epsilon, digits.labels)
    assert clean == 1.0
    assert attacked <= 0.3


def test_an_image_that_is_wrong_already_counts_and_is_not_attacked(digits: Trained) -> None:
    labels = digits.labels.clone()
    labels[:5] = (labels[:5] + 1) % 10
    assert points(digits, "pgd-linf-steps", (0, 5), 1e-4, labels) == [0.75, 0.75]


def test_values_are_those_of_the_papers_tables() -> None:
    assert SWEEPS["pgd-linf-steps"].values == (0, 10, 30, 50, 100, 200, 500)
    assert SWEEPS["pgd-linf-restarts"].values == (5, 10, 15, 20, 50)
    assert expectation(restarts=5, seed=0).values == (1, 2, 3, 5, 10)


def test_what_can_be_varied_is_known_without_data() -> None:
    assert settings_varied() == sorted(SWEEPS)


def test_every_attack_is_varied_in_one_setting_and_is_else_the_one_that_is_measured_with() -> None:
    measured = {one.name: one for one in suite("all", pool=POOL, seed=0, restarts=1)}
    varied = {name.rpartition("-")[0] for name in SWEEPS}
    assert varied == set(measured)
    for name, sweep in SWEEPS.items():
        attack, _, setting = name.rpartition("-")
        made: Any = sweep.attack(7)
        found = {one: getattr(made, one) for one in measured[attack].settings}
        assert sweep.norm == measured[attack].norm
        assert found == {**measured[attack].settings, setting: 7}


def test_what_the_attack_sees_may_depend_on_the_value(digits: Trained) -> None:
    asked: list[int] = []

    def logits(value: int) -> torch.nn.Module:
        asked.append(value)
        return digits.classifier

    points = measure_convergence(
        SWEEPS["pgd-l2-steps"], (0, 1, 2), logits, lambda images: predictions(digits, images), digits.images,
        digits.labels, 0.1,
    )  # fmt: skip
    assert [next(points).value, next(points).value] == [0, 1]
    assert asked == [1]  # a point is known before the next value is tried
    assert next(points).value == 2
    assert asked == [1, 2]


@pytest.mark.parametrize(("count", "value", "complaint"), [(0, 1, "images"), (20, -1, "values")])
def test_what_cannot_be_measured_is_refused(digits: Trained, count: int, value: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        next(measure_convergence(
            SWEEPS["pgd-l2-steps"], (value,), lambda _: digits.classifier, lambda images: predictions(digits, images),
            digits.images[:count], digits.labels[:count], 0.1,
        ))  # fmt: skip
