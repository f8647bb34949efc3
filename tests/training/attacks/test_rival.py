import torch

from eabs.prototypes import PrototypeBank
from tests.training.attacks.counting import Counting
from training.attacks.ball import Ball
from training.attacks.classifiers import PrototypeLogits
from training.attacks.rival import Rival


def test_in_an_linf_ball_it_tries_what_is_nearest_to_the_rivals_own_image() -> None:
    prototypes = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    bank = PrototypeBank.of_images(prototypes, torch.zeros(2), torch.arange(2))
    classifier, image = Counting(PrototypeLogits(bank)), prototypes[:1]
    Rival()(classifier, image, torch.tensor([0]), Ball.around(image, "linf", 0.2))
    nearest = prototypes[1:].clamp(image - 0.2, image + 0.2)
    assert min(float((asked - nearest).abs().max()) for asked in classifier.asked) < 1e-5
