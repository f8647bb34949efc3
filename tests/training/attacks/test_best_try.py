import pytest
import torch
from torch import Tensor, nn

from tests.training.attacks.counting import Counting
from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import PrototypeLogits, margins


class TwoPixels(nn.Module):
    """Images of two pixels: the first one's logit is 1, less the second pixel's difference to 0.5."""

    def forward(self, images: Tensor) -> Tensor:
        first, second = images.flatten(1).unbind(1)
        return torch.stack([0.1 + 0 * first, second - 0.5], 1)


IMAGES = torch.full((3, 1, 1, 2), 0.5)
LABELS = torch.zeros(3, dtype=torch.int64)


def moved(*by: float) -> Tensor:
    images = IMAGES.clone()
    images[:, 0, 0, 1] += torch.tensor(by)
    return images


def begin() -> tuple[BestTry, Counting]:
    counting = Counting(TwoPixels())
    return BestTry(counting, IMAGES, LABELS, Ball.around(IMAGES, "linf", 0.3)), counting


def test_the_best_try_is_the_one_that_is_furthest_from_the_label() -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(8)
    labels, ball = logits(images).argmax(1), Ball.around(images, "l2", 0.02)
    best = BestTry(logits, images, labels, ball)
    tries = [ball.confine(images, toy_images(8, seed=seed)) for seed in range(2, 7)]
    for attempt in tries:
        best.offer(attempt)
    every = torch.stack([margins(logits(attempt), labels) for attempt in [images, *tries]])
    assert torch.equal(margins(logits(best.images), labels), every.amin(0))


def test_an_image_has_fallen_when_another_class_is_clearly_ahead() -> None:
    best, _ = begin()
    # The label was ahead by 0.1: now the other class is, by 0.05, by 0.005, and by nothing.
    best.offer(moved(0.15, 0.105, 0.05))
    assert best.standing.tolist() == [1, 2]


def test_nobody_is_asked_about_what_has_fallen() -> None:
    best, counting = begin()
    best.offer(moved(0.2, 0.0, 0.2))
    asked = counting.count
    best.offer(moved(0.3, 0.01, 0.3))
    assert counting.count == asked + 1
    torch.testing.assert_close(best.images, moved(0.2, 0.01, 0.2))


def test_a_run_is_told_what_it_heard_last_of_an_image_that_falls_and_feels_no_gradient() -> None:
    best, counting = begin()
    heard = []

    def run(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        assert len(images) == len(labels) == len(ball.radii) == 3
        heard.append(classifier(moved(0.2, 0.0, 0.0)))
        asked = moved(0.0, 0.02, 0.0).requires_grad_()
        heard.append(classifier(asked))
        (gradient,) = torch.autograd.grad(heard[-1].sum(), asked)
        assert gradient.flatten(1).sum(1).tolist() == [0, 1, 1]
        return images

    best.pursue(run)
    assert torch.equal(heard[0][0], heard[1][0])
    assert counting.about(IMAGES[0], 1.0) == counting.count
    assert [len(batch) for batch in counting.asked[:3]] == [3, 3, 2]
    torch.testing.assert_close(best.images[0], moved(0.2, 0, 0)[0])


def test_a_run_ends_when_nobody_stands() -> None:
    best, counting = begin()

    def run(classifier: nn.Module, images: Tensor, *_: object) -> Tensor:
        for _ in range(100):
            classifier(moved(0.2, 0.2, 0.2))
        return images

    best.pursue(run)
    assert len(counting.asked) == 2
    assert best.standing.tolist() == []


def test_what_lies_outside_the_ball_or_the_box_is_no_find() -> None:
    best, _ = begin()

    def run(classifier: nn.Module, images: Tensor, *_: object) -> Tensor:
        classifier(moved(0.31, 0.4, 0.6))
        return images

    best.pursue(run)
    assert best.standing.tolist() == [0, 1, 2]
    assert torch.equal(best.images, IMAGES)


def test_what_a_run_returns_is_drawn_in_and_followed_to_the_end_of_the_radius() -> None:
    best, _ = begin()
    best.pursue(lambda *_: moved(0.01, 0.5, 0.0))
    torch.testing.assert_close(best.images, moved(0.3, 0.3, 0.0))


@pytest.mark.parametrize("chosen", [[True, False, False], [False, True, True]])
def test_a_run_can_be_for_some_of_the_images(chosen: list[bool]) -> None:
    best, _ = begin()
    best.pursue(lambda _, images, *__: images + 0.25, among=torch.tensor(chosen))
    assert [bool(changed) for changed in (best.images != IMAGES).flatten(1).any(1)] == chosen
