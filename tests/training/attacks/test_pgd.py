import torch

from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.classifiers import PrototypeLogits
from training.attacks.confined import l2_distances
from training.attacks.pgd import PGD


def test_an_image_is_attacked_as_it_would_be_alone_whatever_the_others_radii() -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(3)
    labels, radii = logits(images).argmax(1), torch.tensor([0.05, 0.4, 3.0], dtype=torch.float64)
    attack = PGD(restarts=1)
    together = attack(logits, images, labels, radii)
    for index in range(3):
        one = slice(index, index + 1)
        torch.testing.assert_close(attack(logits, images[one], labels[one], radii[one]), together[one])
    torch.testing.assert_close(l2_distances(images, together)[:2], radii[:2], rtol=1e-3, atol=0)
