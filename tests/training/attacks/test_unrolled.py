from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from eabs.gradient import adaptive_gradient
from eabs.inference import LatentInference
from eabs.lanes import LaneObjective
from eabs.settings import QuasiNewtonSettings
from tests.eabs.toy import TOY, random_model
from training.attacks.unrolled import UNROLLED, UnrolledLogits

FEW = QuasiNewtonSettings(steps=3)


@pytest.fixture(scope="module")
def inference() -> LatentInference:
    return LatentInference.prepare(random_model(TOY, contrast=3.0, seed=3), beta=1.0, seed=0, candidates=20)


@pytest.fixture
def precise() -> Iterator[LatentInference]:
    """The same in float64, in which the whole test then computes, with so few candidates that the encoder's proposals
    are the start of many."""
    torch.set_default_dtype(torch.float64)
    try:
        yield LatentInference.prepare(random_model(TOY, contrast=3.0, seed=3), beta=1.0, seed=0, candidates=3)
    finally:
        torch.set_default_dtype(torch.float32)


def draw_images(count: int) -> Tensor:
    return torch.rand(count, *TOY.image, generator=torch.Generator().manual_seed(1))


def draw_weights(count: int) -> Tensor:
    return torch.randn(count, TOY.classes, generator=torch.Generator().manual_seed(2))


def gradient_of(logits: UnrolledLogits, images: Tensor, weights: Tensor) -> Tensor:
    tracked = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((weights * logits(tracked)).sum(), tracked)
    return gradient


def equation_8(inference: LatentInference, images: Tensor, weights: Tensor, settings: QuasiNewtonSettings) -> Tensor:
    """The weighed logits' gradient where inference ends, its latents held fixed."""
    gradients = adaptive_gradient(images, inference.reconstruct(final_latents(inference, images, settings)))
    return -torch.einsum("nk,nkchw->nchw", weights, gradients)


def final_latents(inference: LatentInference, images: Tensor, settings: QuasiNewtonSettings) -> Tensor:
    """Where the server's own descent ends, (N, K, M); `infer` takes no float64."""
    descent = inference.descent(settings)
    descent.admit(images, inference.start(images, settings))
    latents = torch.empty(len(images), TOY.classes, TOY.latent)
    while len(descent):
        if (found := descent.step()) is not None:
            latents[found.tickets] = found.latents
    return latents


def relative_errors(found: Tensor, expected: Tensor) -> Tensor:
    return (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)


@pytest.mark.parametrize("settings", [UNROLLED, replace(FEW, starts=4)])
def test_the_logits_are_what_inference_finds_in_as_many_steps(
    inference: LatentInference, settings: QuasiNewtonSettings
) -> None:
    images = draw_images(20)
    expected = -inference.infer(images, settings).scores
    torch.testing.assert_close(UnrolledLogits(inference, settings)(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("settings", [FEW, UNROLLED, replace(FEW, starts=2)])
def test_the_gradient_is_that_of_finite_differences(precise: LatentInference, settings: QuasiNewtonSettings) -> None:
    logits, images, weights = UnrolledLogits(precise, settings), draw_images(6), draw_weights(6)
    mean, _ = precise.encode(images)
    proposed = (precise.start(images, settings).latents == mean.unsqueeze(1)).all(3)
    assert proposed.any()
    assert not proposed.all()
    gradient = gradient_of(logits, images, weights)
    for seed in range(3):
        direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
        ahead, behind = (weights * logits(images + s * direction) for s in (1e-6, -1e-6))
        slopes = (ahead - behind).sum(1) / 2e-6
        torch.testing.assert_close((gradient * direction).flatten(1).sum(1), slopes, rtol=1e-5, atol=1e-6)


def test_at_an_optimum_the_gradient_is_equation_8(precise: LatentInference) -> None:
    images, settings = draw_images(40), QuasiNewtonSettings(steps=40, tolerance=1e-13)
    last = TOY.classes - 1
    weights = torch.eye(TOY.classes)[last].expand(40, -1)
    objective = LaneObjective(
        precise.decoders,
        precise.penalty,
        targets=images.flatten(1),
        classes=torch.full((40,), last),
        objective="score",
    )
    _, slopes = objective.values_and_gradients(final_latents(precise, images, settings)[:, last])
    # Many end where two sides of a ReLU meet, and neither has a slope of 0.
    optimal = slopes.norm(dim=1) < 1e-4
    assert optimal.sum() >= 5
    found = gradient_of(UnrolledLogits(precise, settings), images, weights)
    errors = relative_errors(found, equation_8(precise, images, weights, settings))
    assert (errors[optimal] < 1e-5).all()


def test_short_of_an_optimum_equation_8_misses_what_the_steps_themselves_do(precise: LatentInference) -> None:
    images, weights = draw_images(6), draw_weights(6)
    found = gradient_of(UnrolledLogits(precise, FEW), images, weights)
    assert (relative_errors(found, equation_8(precise, images, weights, FEW)) > 0.01).all()


def test_an_image_has_the_gradient_that_it_would_have_alone(inference: LatentInference) -> None:
    logits, images, weights = UnrolledLogits(inference), draw_images(20), draw_weights(20)
    together = gradient_of(logits, images, weights)
    for index in (0, 7, 8, 19):
        one = slice(index, index + 1)
        torch.testing.assert_close(gradient_of(logits, images[one], weights[one]), together[one], rtol=1e-3, atol=1e-4)


def test_a_class_that_is_no_finalist_has_the_score_of_its_start_and_no_gradient(inference: LatentInference) -> None:
    settings, images = replace(UNROLLED, finalists=2), draw_images(6)
    logits, start = UnrolledLogits(inference, settings), inference.start(images, settings)
    last = ~start.chosen.squeeze(1)
    assert (last.sum(1) == 1).all()
    assert torch.equal(logits(images)[last], -start.bounds.squeeze(1)[last])
    assert (gradient_of(logits, images, last.float()) == 0).all()
    assert (gradient_of(logits, images, (~last).float()).flatten(1).norm(dim=1) > 0.1).all()
