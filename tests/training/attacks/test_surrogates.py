import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eabs.inference import LatentInference
from eabs.settings import QuasiNewtonSettings
from tests.eabs.toy import TOY, random_model
from tests.training.attacks.small_network import draw_textures, small_network
from training.attacks.apgd import APGD
from training.attacks.ball import Ball, Norm
from training.attacks.classifiers import EncoderLogits, LatentLogits, Unsaturated
from training.attacks.surrogates import Encoder, GradientOf, Unrolled
from training.attacks.unrolled import UnrolledLogits

RADII: dict[Norm, float] = {"linf": 0.25, "l2": 1.2}
CASES = pytest.mark.parametrize("norm", list(RADII))
ATTACKS = pytest.mark.parametrize(
    "attack", [Unrolled(steps=12, unrolled=3), Encoder(steps=12)], ids=["unrolled", "encoder"]
)


@pytest.fixture(scope="module")
def inference() -> LatentInference:
    return LatentInference.prepare(random_model(TOY, contrast=3.0, seed=3), beta=1.0, seed=0, candidates=50)


@pytest.fixture(scope="module")
def images() -> Tensor:
    model = random_model(TOY, contrast=3.0, seed=3)
    latents = torch.randn(12, TOY.latent, generator=torch.Generator().manual_seed(1))
    return model.decoders(latents)[torch.arange(12), torch.arange(12) % 3]


def gradient_of(classifier: nn.Module, images: Tensor) -> Tensor:
    tracked = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(classifier(tracked)[:, 0].sum(), tracked)
    return gradient


def test_the_answers_are_the_classifiers_and_the_gradient_is_the_surrogates() -> None:
    images, _ = draw_textures(5, seed=1)
    surrogate = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).requires_grad_(False)
    mixed = GradientOf(small_network(), surrogate)
    torch.testing.assert_close(mixed(images.clone().requires_grad_()), small_network()(images))
    torch.testing.assert_close(gradient_of(mixed, images), gradient_of(surrogate, images))


def test_the_encoders_logits_are_the_scores_of_what_it_proposes(inference: LatentInference, images: Tensor) -> None:
    model = random_model(TOY, contrast=3.0, seed=3)
    latents, _ = model.encoder(images)
    costs = (images[:, None] - model.decoders(latents)).square().flatten(2).sum(2)
    expected = F.logsigmoid(model.discriminator(latents))[:, None] - costs
    torch.testing.assert_close(EncoderLogits(inference)(images), expected, rtol=1e-4, atol=1e-4)


def test_the_encoders_gradient_is_that_of_finite_differences(inference: LatentInference, images: Tensor) -> None:
    logits = EncoderLogits(inference)
    direction = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    ahead, behind = (logits(images + step * direction)[:, 0].double() for step in (1e-3, -1e-3))
    slopes = (gradient_of(logits, images) * direction).flatten(1).sum(1).double()
    torch.testing.assert_close(slopes, (ahead - behind) / 2e-3, rtol=0.02, atol=0.05)


@ATTACKS
@CASES
def test_it_changes_answers_of_latent_inference_inside_the_ball_and_does_so_again(
    inference: LatentInference, images: Tensor, norm: Norm, attack: Unrolled | Encoder
) -> None:
    classifier = LatentLogits(inference)
    labels = classifier(images).argmax(1)
    ball = Ball.around(images, norm, RADII[norm])
    attacked = attack(classifier, images, labels, ball)
    assert (ball.distances(images, attacked) <= ball.radii).all()
    assert 0 <= attacked.min() <= attacked.max() <= 1
    assert (classifier(attacked).argmax(1) != labels).sum() >= 3
    assert torch.equal(attack(classifier, images, labels, ball), attacked)


@pytest.mark.parametrize("kind", [LatentLogits, UnrolledLogits])
def test_latent_inference_is_looked_through_however_it_is_wrapped(
    inference: LatentInference, kind: type[LatentLogits | UnrolledLogits]
) -> None:
    images = torch.rand(8, *TOY.image, generator=torch.Generator().manual_seed(2))
    wrapped = Unsaturated(kind(inference))
    labels, ball = wrapped(images).argmax(1), Ball.around(images, "l2", 0.3)
    attack, adaptive = Unrolled(steps=5, unrolled=2), APGD(loss="dlr", steps=5)
    by_steps, by_equation_8 = (one(wrapped, images, labels, ball) for one in (attack, adaptive))
    assert not torch.equal(by_steps, by_equation_8)


@ATTACKS
def test_a_network_without_latents_is_attacked_by_its_own_gradient(attack: Unrolled | Encoder) -> None:
    images, labels = draw_textures(8, seed=2)
    ball = Ball.around(images, "l2", 0.8)
    expected = APGD(loss="dlr", steps=12)(small_network(), images, labels, ball)
    assert torch.equal(attack(small_network(), images, labels, ball), expected)


def test_no_more_steps_are_looked_through_than_are_taken(inference: LatentInference) -> None:
    images = torch.rand(8, *TOY.image, generator=torch.Generator().manual_seed(2))
    classifier = LatentLogits(inference, QuasiNewtonSettings(steps=2))
    labels, ball = classifier(images).argmax(1), Ball.around(images, "l2", 0.3)
    two, six, one = (Unrolled(steps=5, unrolled=count)(classifier, images, labels, ball) for count in (2, 6, 1))
    assert torch.equal(six, two)
    assert not torch.equal(one, two)
