import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.training.robustness.brightness import Brightness, samples, straight, subject
from training.attacks.attack import Attack
from training.attacks.ball import Ball, Norm
from training.robustness.judging import NOT_ATTACKED, Outcome, attack_images

ALL = torch.ones(len(samples()), dtype=torch.bool)


def judge(attack: Attack, norm: Norm = "linf", epsilon: float = 0.1, standing: Tensor = ALL) -> Outcome:
    images = samples().unit_range()
    ball = Ball.around(images, norm, epsilon)
    return attack_images(subject(), attack, images, samples().labels, ball, standing)


def test_an_image_falls_if_its_answer_changes() -> None:
    found = judge(straight)
    assert found.predictions.tolist() == [0, 0, 1, 0, 0, 1]
    assert found.distances == pytest.approx(torch.full((6,), 0.1), abs=1e-6)


def test_an_attack_that_leaves_the_ball_gains_nothing() -> None:
    def far(_: nn.Module, images: Tensor, labels: Tensor, __: Ball) -> Tensor:
        return torch.where(labels.view(-1, 1, 1, 1) == 0, 5.0, -5.0).expand_as(images)

    for norm, epsilon in (("linf", 0.1), ("l2", 0.2)):
        found = judge(far, norm, epsilon)  # type: ignore[arg-type]
        assert torch.equal(found.predictions, judge(straight, norm, epsilon).predictions)  # type: ignore[arg-type]
        assert (found.distances <= epsilon).all()
        assert 0 <= found.images.min() <= found.images.max() <= 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_attacked_image_that_is_not_finite_is_replaced_by_its_original(value: float) -> None:
    def breaks(_: nn.Module, images: Tensor, __: Tensor, ___: Ball) -> Tensor:
        broken = images.clone()
        broken[:, 0, 0, 0] = value
        return broken

    found = judge(breaks)
    assert torch.equal(found.images, samples().unit_range())
    assert found.distances.tolist() == [0] * 6


def test_an_attack_that_returns_other_images_than_it_was_given_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"attack: expected images \(6, 1, 2, 2\), got \(5, 1, 2, 2\)"):
        judge(lambda _, images, __, ___: images[1:])


def test_only_what_stands_is_attacked() -> None:
    standing = torch.tensor([True, False, True, False, False, False])
    found = judge(straight, standing=standing)
    assert (found.predictions != NOT_ATTACKED).tolist() == standing.tolist()
    assert (found.seen != NOT_ATTACKED).tolist() == standing.tolist()
    assert found.distances.isfinite().tolist() == standing.tolist()
    assert torch.equal(found.images[~standing], samples().unit_range()[~standing])
    assert found.inferences == 2


def test_where_nothing_stands_nobody_is_asked() -> None:
    def never(*_: object) -> Tensor:
        pytest.fail("attacked")

    assert judge(never, standing=~ALL).inferences == 0


def test_the_answers_that_users_get_have_the_last_word() -> None:
    images, labels = samples().unit_range(), samples().labels
    stubborn = replace(subject(), predict=lambda _: labels)
    found = attack_images(stubborn, straight, images, labels, Ball.around(images, "linf", 0.1), ALL)
    assert torch.equal(found.predictions, labels)
    assert found.seen.tolist() == [0, 0, 1, 0, 0, 1]


def test_the_images_that_an_attack_has_classified_are_counted() -> None:
    def asks_thrice(classifier: nn.Module, images: Tensor, _: Tensor, __: Ball) -> Tensor:
        for part in (images, images[:2], images[:1]):
            classifier(part)
        return images

    assert judge(asks_thrice).inferences == 9


@pytest.mark.cuda
def test_a_gpu_attacks_and_the_outcome_is_on_the_cpu() -> None:
    device = torch.device("cuda")
    network = Brightness().eval()
    there = replace(
        subject(), predict=lambda found: network(found.to(device)).argmax(1).cpu(), logits=network, device=device
    )
    images, labels = samples().unit_range(), samples().labels
    found = attack_images(there, straight, images, labels, Ball.around(images, "linf", 0.1), ALL)
    expected = judge(straight)
    assert torch.equal(found.predictions, expected.predictions)
    assert torch.equal(found.seen, expected.seen)
    torch.testing.assert_close(found.images, expected.images)
