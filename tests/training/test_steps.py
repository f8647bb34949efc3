from itertools import islice

import pytest
import torch

from training.discriminative.recipe import DiscriminativeRecipe
from training.steps import Steps

RECIPE = DiscriminativeRecipe(name="three", epochs=3, batch=4, learning_rate=1.0, schedule="constant", seed=5)


def test_every_epoch_goes_through_the_images_in_an_order_of_its_own() -> None:
    steps = list(Steps(RECIPE, 10).after(0))
    assert [(step.number, step.epoch, step.ends_epoch) for step in steps] == [
        (0, 0, False), (1, 0, True), (2, 1, False), (3, 1, True), (4, 2, False), (5, 2, True),
    ]  # fmt: skip
    epochs = [torch.cat([step.indices for step in steps if step.epoch == epoch]).tolist() for epoch in range(3)]
    assert all(len(set(order)) == 8 and set(order) <= set(range(10)) for order in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize("done", range(7))
def test_the_steps_that_are_left_are_those_of_the_whole_run(done: int) -> None:
    plan = Steps(RECIPE, 10)
    whole, left = list(islice(plan.after(0), done, None)), list(plan.after(done))
    assert [step.number for step in left] == [step.number for step in whole]
    assert all(torch.equal(a.indices, b.indices) for a, b in zip(left, whole, strict=True))


def test_no_two_steps_share_a_seed_with_each_other_or_with_another_run() -> None:
    other = Steps(DiscriminativeRecipe(**vars(RECIPE) | {"seed": 6}), 10)
    seeds = [plan.seed(step) for plan in (Steps(RECIPE, 10), other) for step in range(6)]
    assert len(set(seeds)) == 12


def test_fewer_images_than_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="batch: expected at most the 3 training images, got 4"):
        Steps(RECIPE, 3)
