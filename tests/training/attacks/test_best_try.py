import torch

from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import PrototypeLogits, margins


def test_the_best_try_is_the_one_that_is_furthest_from_the_label() -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(8)
    labels, ball = logits(images).argmax(1), Ball.around(images, "l2", 1.0)
    best = BestTry(logits, images, labels, ball)
    tries = [ball.confine(images, toy_images(8, seed=seed)) for seed in range(2, 7)]
    for attempt in tries:
        best.offer(attempt)
    every = torch.stack([margins(logits(attempt), labels) for attempt in tries])
    assert torch.equal(margins(logits(best.images), labels), every.amin(0))
