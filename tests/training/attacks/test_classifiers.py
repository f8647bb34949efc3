import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.inference import InferenceResult, LatentInference
from eabs.settings import EFFORTS, AdamSettings, InferenceSettings
from tests.eabs.toy import TOY, random_model
from tests.training.attacks.toy_bank import CLASSES, toy_bank, toy_images
from training.attacks.classifiers import (
    ExpectedLogits,
    LatentLogits,
    PrototypeLogits,
    SmoothedLogits,
    Unsaturated,
    expected_latent_logits,
    margins,
)


class Scaled(nn.Module):
    """A classifier that is surer of the same answers."""

    def __init__(self, base: nn.Module, factor: float) -> None:
        super().__init__()
        self.base, self.factor = base.eval(), factor

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.factor * self.base(images).float()
        return logits


def gradient_of(classifier: nn.Module, images: Tensor, weights: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((weights * classifier(images)).sum(), images)
    return gradient


def test_the_banks_logits_are_its_scores_with_the_sign_turned() -> None:
    bank, images = toy_bank(), toy_images(5)
    assert torch.equal(PrototypeLogits(bank)(images), -bank.classify(images).scores)


def test_the_banks_gradient_is_that_of_finite_differences() -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(4).double()
    weights = torch.randn(4, CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradient = gradient_of(logits, images, weights)
    for seed in range(5):
        direction = torch.randn(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        ahead, behind = (weights * logits(images + s * direction) for s in (1e-6, -1e-6))
        slopes = (ahead - behind).sum(1) / 2e-6
        torch.testing.assert_close((gradient * direction).flatten(1).sum(1), slopes, rtol=1e-6, atol=1e-6)


def test_the_latent_gradient_is_equation_8() -> None:
    inference = LatentInference.prepare(random_model(TOY), beta=1.0, seed=0, candidates=50)
    images = toy_images(4)
    found = inference.infer(images, EFFORTS["fast"])
    recreations = inference.reconstruct(found.latents)
    logits = LatentLogits(inference)
    assert torch.equal(logits(images), -found.scores)
    for k in range(3):
        expected = -2 * (images - recreations[:, k])
        torch.testing.assert_close(gradient_of(logits, images, F.one_hot(torch.tensor(k), 3)), expected)


def test_smoothed_logits_are_the_log_of_the_mean_probability_over_noise() -> None:
    base, images = PrototypeLogits(toy_bank()), toy_images(3)
    smoothed = SmoothedLogits(base, (1, 8, 8), sigma=0.3, samples=16, seed=5)
    noise = 0.3 * torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    expected = torch.stack([base(image + noise).softmax(1).mean(0) for image in images]).log()
    torch.testing.assert_close(smoothed(images).log_softmax(1), expected)


def test_a_classifier_that_is_too_sure_for_a_softmax_still_shows_a_gradient() -> None:
    base, images = PrototypeLogits(toy_bank()), toy_images(6)
    sure, labels = Scaled(base, 1e4), base(images).argmax(1)

    def slope(classifier: nn.Module) -> Tensor:
        x = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(classifier(x), labels, reduction="sum"), x)
        return gradient.flatten(1).norm(dim=1)

    assert (slope(sure) == 0).any()
    assert (slope(Unsaturated(sure)) > 1e-4).all()
    assert torch.equal(Unsaturated(sure)(images).argmax(1), labels)


def test_equal_logits_unsaturated_are_still_numbers() -> None:
    tied = Scaled(nn.Flatten(), 0.0)
    images = toy_images(2).requires_grad_()
    F.cross_entropy(Unsaturated(tied)(images), torch.zeros(2, dtype=torch.int64)).backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()


def test_a_margin_is_negative_where_another_class_wins() -> None:
    logits = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    assert margins(logits, torch.tensor([0, 2])).tolist() == [1.0, -1.0]


def test_expected_logits_are_the_mean_over_noises_that_inference_does_not_have() -> None:
    inference = LatentInference.prepare(random_model(TOY), beta=1.0, seed=0, candidates=50)
    settings, images = AdamSettings(steps=3), toy_images(4)
    weights = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    members = [LatentLogits(inference.reseeded(seed), settings) for seed in (1, 2, 3)]
    expected = expected_latent_logits(inference, settings, samples=3, seed=0)
    torch.testing.assert_close(expected(images), sum(member(images) for member in members) / 3)
    mean = sum(gradient_of(member, images, weights) for member in members) / 3
    torch.testing.assert_close(gradient_of(expected, images, weights), mean)
    assert not torch.equal(members[0](images), LatentLogits(inference, settings)(images))


def test_an_expectation_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ExpectedLogits([])


def test_latent_inference_is_asked_once_about_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    inference = LatentInference.prepare(random_model(TOY), beta=1.0, seed=0, candidates=50)
    asked: list[int] = []
    infer = LatentInference.infer

    def counted(self: LatentInference, images: Tensor, settings: InferenceSettings) -> InferenceResult:
        asked.append(len(images))
        return infer(self, images, settings)

    monkeypatch.setattr(LatentInference, "infer", counted)
    logits, images = LatentLogits(inference), toy_images(4)
    for k in range(3):
        gradient_of(logits, images[1:], F.one_hot(torch.tensor(k), 3))
    logits(images)
    assert asked == [3, 1]
