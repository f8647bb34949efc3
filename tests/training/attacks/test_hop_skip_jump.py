import torch

from eabs.certificates.finite_bank import certify_finite_bank
from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.ball import Ball
from training.attacks.classifiers import PrototypeLogits
from training.attacks.hop_skip_jump import HopSkipJump


def test_without_an_image_of_another_class_there_is_no_try() -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(12)
    labels = logits(images).argmax(1)
    same = labels == labels[0]
    ball, attack = Ball.around(images[same], "l2", 1.0), HopSkipJump(pool=images[same])
    assert torch.equal(attack(logits, images[same], labels[same], ball), images[same])


def test_in_a_batch_it_finds_about_what_it_finds_alone() -> None:
    bank, images = toy_bank(), toy_images(24)
    logits, found = PrototypeLogits(bank), certify_finite_bank(bank, images)
    attack = HopSkipJump(pool=toy_images(40, seed=2))

    def changed(part: slice) -> int:
        labels = found.predictions[part]
        attacked = attack(logits, images[part], labels, Ball("l2", 2 * found.radii[part]))
        return int((bank.classify(attacked).predictions != labels).sum())

    alone = sum(changed(slice(index, index + 1)) for index in range(24))
    together = changed(slice(None))
    assert alone >= 8
    assert together >= 0.7 * alone
