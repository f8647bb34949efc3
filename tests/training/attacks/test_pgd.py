import pytest
import torch

from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.ball import Ball, Norm
from training.attacks.classifiers import PrototypeLogits
from training.attacks.pgd import PGD


@pytest.mark.parametrize(("norm", "radii"), [("l2", [0.01, 0.05, 3.0]), ("linf", [0.001, 0.005, 0.3])])
def test_an_image_is_attacked_as_it_would_be_alone_whatever_the_others_radii(norm: Norm, radii: list[float]) -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(3)
    labels, ball = logits(images).argmax(1), Ball(norm, torch.tensor(radii, dtype=torch.float64))
    attack = PGD(restarts=1)
    together = attack(logits, images, labels, ball)
    for index in range(3):
        one = torch.tensor([index])
        torch.testing.assert_close(attack(logits, images[one], labels[one], ball.select(one)), together[one])
    torch.testing.assert_close(ball.distances(images, together)[:2], ball.radii[:2], rtol=1e-3, atol=0)
