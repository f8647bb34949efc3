import pytest
import torch
from torch import Tensor

from eabs.architecture import PRESETS
from eabs.family import GenerativeModel, build
from eabs.networks import EABS
from eabs.penalty import GaussianPrior, penalty_of
from eabs.variant import Kind, Variant

BETA = 0.7


@pytest.fixture(scope="module", params=["e-abs", "a-abs", "abs"])
def model(request: pytest.FixtureRequest) -> GenerativeModel:
    kind: Kind = request.param
    torch.manual_seed(1)
    return build(PRESETS["mnist"].with_classes(5), Variant.of(kind)).eval()


def by_definition(model: GenerativeModel, latents: Tensor, classes: Tensor) -> Tensor:
    """Of latents (N, M) of classes (N,): (N,)."""
    if model.discriminator is None:
        return BETA * 0.5 * (latents * latents).sum(1)
    logits = model.discriminator(latents)
    own = logits if isinstance(model, EABS) else logits[torch.arange(len(latents)), classes]
    return -BETA * torch.sigmoid(own).log()


def test_the_penalty_and_its_gradient_are_autograds(model: GenerativeModel) -> None:
    latents = torch.randn(4, 5, 10).requires_grad_()
    expected = by_definition(model, latents.flatten(0, 1), torch.arange(20) % 5).view(4, 5)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), latents)
    penalty = penalty_of(model, BETA)
    found, gradient = penalty.penalty_with_gradient(latents.detach(), torch.arange(5))
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(penalty.penalty(latents.detach(), torch.arange(5)), expected.detach())
    torch.testing.assert_close(gradient, expected_gradient)


def test_the_penalties_by_class_are_every_classs(model: GenerativeModel) -> None:
    latents = torch.randn(9, 10)
    penalty = penalty_of(model, BETA)
    every = torch.stack([penalty.penalty(latents, torch.full((9,), k)) for k in range(5)])
    torch.testing.assert_close(penalty.by_class(latents).expand(5, 9), every)


def test_a_latents_penalty_and_gradient_do_not_depend_on_the_others(model: GenerativeModel) -> None:
    latents, classes = torch.randn(40, 10), torch.arange(40) % 5
    penalty = penalty_of(model, BETA)
    penalties, gradients = penalty.penalty_with_gradient(latents, classes)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    for chosen in (order, order[:17], order[:1]):
        found, found_gradients = penalty.penalty_with_gradient(latents[chosen], classes[chosen])
        assert torch.equal(found, penalties[chosen])
        assert torch.equal(found_gradients, gradients[chosen])
        assert torch.equal(penalty.penalty(latents[chosen], classes[chosen]), penalties[chosen])


def test_the_penalties_of_every_preset_do_not_depend_on_the_others(preset_model: EABS) -> None:
    latents, classes = torch.randn(40, preset_model.architecture.latent), torch.zeros(40, dtype=torch.int64)
    penalty = penalty_of(preset_model, 1.0)
    penalties, gradients = penalty.penalty_with_gradient(latents, classes)
    found, found_gradients = penalty.penalty_with_gradient(latents[7:30], classes[7:30])
    assert torch.equal(found, penalties[7:30])
    assert torch.equal(found_gradients, gradients[7:30])


def test_the_divergence_is_that_of_two_normal_distributions_and_its_gradient_autograds() -> None:
    means, log_stds = torch.randn(6, 4).requires_grad_(), torch.randn(6, 4).requires_grad_()
    normal = torch.distributions.Normal
    expected = BETA * torch.distributions.kl_divergence(normal(means, log_stds.exp()), normal(0.0, 1.0)).sum(1)
    gradients = torch.autograd.grad(expected.sum(), (means, log_stds))
    prior = GaussianPrior(BETA)
    torch.testing.assert_close(prior.divergence(means, log_stds).detach(), expected.detach())
    found = prior.divergence_gradient(means.detach(), log_stds.detach())
    torch.testing.assert_close(found, torch.cat(gradients, dim=1))
    # An exact z is a distribution of unit variance.
    unit = prior.divergence(means.detach(), torch.zeros(6, 4))
    torch.testing.assert_close(prior.by_class(means.detach()), unit)
