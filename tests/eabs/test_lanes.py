from collections.abc import Callable

import pytest
import torch

from eabs.decoding import FoldedDecoders
from eabs.lanes import LaneObjective, Packing, pack, spread_out
from eabs.networks import EABS
from eabs.penalty import FoldedDiscriminator


@pytest.mark.parametrize(
    "lane_classes",
    [[0], [2, 2, 2], [0, 1, 2] * 5, [2, 0, 0, 0, 0, 0, 0, 1, 0], [1] * 7 + [0] * 2],
    ids=["one", "one class", "all alike", "mixed", "uneven"],
)
@pytest.mark.parametrize("pack_lanes", [pack, spread_out])
def test_every_lane_has_a_slot_of_its_own_in_a_group_of_its_class(
    pack_lanes: Callable[[torch.Tensor, int], Packing], lane_classes: list[int]
) -> None:
    classes = torch.tensor(lane_classes)
    packing = pack_lanes(classes, 3)
    columns = packing.slots % len(packing.group_classes)
    assert torch.equal(packing.group_classes[columns], classes)
    assert len(packing.slots.unique()) == len(classes)
    assert packing.slots.max() < packing.rows * len(packing.group_classes)


def test_equal_numbers_of_lanes_waste_no_slot() -> None:
    packing = pack(torch.arange(3).repeat(4), 3)
    assert packing.rows == 4
    assert packing.group_classes.tolist() == [0, 1, 2]


def test_lanes_that_are_spread_out_take_a_power_of_two_of_rows_and_every_class_once() -> None:
    packing = spread_out(torch.tensor([1] * 5 + [2]), 3)
    assert packing.rows == 8
    assert packing.group_classes.tolist() == [0, 1, 2]


def test_a_lone_class_is_computed_alone() -> None:
    packing = pack(torch.tensor([7, 7]), 10)
    assert packing.group_classes.unique().tolist() == [7]
    assert packing.rows * len(packing.group_classes) <= 4


@pytest.mark.parametrize("objective", ["score", "distance"])
def test_the_objective_of_lanes_is_that_of_their_class_and_image(toy: EABS, objective: str) -> None:
    generator = torch.Generator().manual_seed(4)
    classes = torch.tensor([1, 0, 1, 2, 1])
    targets, latents = torch.rand(5, 64, generator=generator), torch.randn(5, 2, generator=generator)
    lanes = LaneObjective(
        FoldedDecoders.fold(toy.decoders),
        FoldedDiscriminator(toy.discriminator, 0.5),
        targets=targets,
        classes=classes,
        objective="score" if objective == "score" else "distance",
    )
    z = latents.clone().requires_grad_()
    decoded = toy.decoders(z)[torch.arange(5), classes].flatten(1)
    expected = (decoded - targets).square().sum(1)
    if objective == "score":
        expected = expected - 0.5 * torch.nn.functional.logsigmoid(toy.discriminator(z))
    (gradients,) = torch.autograd.grad(expected.sum(), z)
    with torch.inference_mode():
        torch.testing.assert_close(lanes.values(latents), expected.detach())
        found = lanes.values_and_gradients(latents)
        torch.testing.assert_close(found[0], expected.detach())
        torch.testing.assert_close(found[1], gradients, rtol=1e-3, atol=1e-4)
        left = torch.tensor([4, 1])
        lanes.keep(left)
        torch.testing.assert_close(lanes.values(latents[left]), expected.detach()[left])
