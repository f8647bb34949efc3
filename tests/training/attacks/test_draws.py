import pytest
import torch

from tests.training.attacks.toy_bank import toy_images
from training.attacks.ball import Ball, Norm
from training.attacks.draws import Draws


def test_an_images_noise_depends_neither_on_its_neighbours_nor_on_its_place() -> None:
    images, every = toy_images(3), torch.arange(3)
    together = Draws(images, 0).normal(every)
    turned = Draws(images.flip(0), 0).normal(every).flip(0)
    assert torch.equal(together, turned)
    assert torch.equal(Draws(images[1:2], 0).normal(torch.tensor([0])), together[1:2])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(Draws(images, 1).normal(every), together)


def test_leaving_an_image_out_does_not_change_what_is_drawn_for_another() -> None:
    draws, apart = Draws(toy_images(2), 0), Draws(toy_images(2), 0)
    draws.normal(torch.tensor([0, 1]))
    second = draws.normal(torch.tensor([1]))
    apart.normal(torch.tensor([1]))
    assert torch.equal(apart.normal(torch.tensor([0, 1]))[1:], second)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_points_fill_the_ball(norm: Norm) -> None:
    images = torch.full((400, 1, 2, 1), 0.5) + 1e-4 * torch.arange(400).view(-1, 1, 1, 1) / 400
    ball = Ball.around(images, norm, 0.2)
    distances = ball.distances(images, Draws(images, 0).points(torch.arange(400), ball)) / 0.2
    assert distances.max() <= 1.0001
    # Half of a disc, and of a square, lies within the root of a half.
    assert (distances <= 0.5**0.5).double().mean().item() == pytest.approx(0.5, abs=0.08)
