import torch
from torch import Tensor, nn

from training.attacks.binarised import Binarised, binarise


class Sums(nn.Module):
    """Logits: the sum of the pixels, and of their squares."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images.flatten(1).sum(1), images.square().flatten(1).sum(1)], dim=1)


IMAGES = torch.tensor([0.0, 0.4, 0.5, 0.6, 1.0]).view(1, 1, 1, 5)


def test_what_is_above_a_half_is_white() -> None:
    assert binarise(IMAGES).flatten().tolist() == [0, 0, 0, 1, 1]


def test_answers_are_those_to_the_binarised_image() -> None:
    assert torch.equal(Binarised(Sums())(IMAGES), Sums()(binarise(IMAGES)))


def test_gradients_are_taken_at_the_binarised_image_and_reach_every_pixel() -> None:
    images = IMAGES.clone().requires_grad_()
    logits = Binarised(Sums())(images)
    (gradient,) = torch.autograd.grad(logits[0, 1], images)
    assert gradient.flatten().tolist() == [0, 0, 0, 2, 2]
    (gradient,) = torch.autograd.grad(Binarised(Sums())(images)[0, 0], images)
    assert gradient.flatten().tolist() == [1, 1, 1, 1, 1]
