from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from eabs.certificates.bracket import (
    AttackResult,
    AttackSettings,
    Recreate,
    attack_upper_bound,
    recreate_by_inference,
)
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.settings import EFFORTS
from tests.eabs.certificates.test_exact_inference import brute_force_radii
from tests.eabs.toy import BruteForce

IMAGE = (1, 4, 4)


@dataclass(frozen=True)
class Prototypes:
    """A classifier of two fixed re-creations a class, whose decision boundary is made of planes."""

    points: Tensor  # (K, 2, P)

    def recreate(self, images: Tensor) -> tuple[Tensor, Tensor]:
        squared = (images.flatten(1)[:, None, None] - self.points).square().sum(3)
        scores, nearest = squared.min(2)
        recreations = self.points[torch.arange(len(self.points)), nearest]
        return scores, recreations.view(*scores.shape, *IMAGE)

    def classify(self, images: Tensor) -> Tensor:
        scores, _ = self.recreate(images)
        return scores.argmin(1)

    def boundary_distance(self, image: Tensor, own: int) -> float:
        """How far `image` is from where a rival's prototype q is nearer than both of the own class, in float64.

        For one q that is where <q - p, x' - x> >= (||x - q||^2 - ||x - p||^2) / 2 for both p: of two half-spaces, the
        nearest point lies on one plane or on both.
        """
        x, points = image.flatten().double(), self.points.double()
        found = []
        for q in points[torch.arange(len(points)) != own].flatten(0, 1):
            ways = q - points[own]
            levels = ((x - q).square().sum() - (x - points[own]).square().sum(1)) / 2
            for active in ([0], [1], [0, 1]):
                plane = ways[active]
                step = plane.T @ torch.linalg.solve(plane @ plane.T, levels[active])
                if (ways @ step >= levels - 1e-9).all():
                    found.append(step.norm().item())
        return float(min(found))


@pytest.fixture(scope="module")
def prototypes() -> Prototypes:
    """Five classes in three dimensions of the images, well inside [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    axes = torch.linalg.qr(torch.randn(16, 3, generator=generator)).Q.T
    return Prototypes(0.5 + 0.15 * torch.randn(5, 2, 3, generator=generator) @ axes)


@pytest.fixture(scope="module")
def inputs(prototypes: Prototypes) -> Tensor:
    """Images beside the prototypes, (40, 1, 4, 4)."""
    noise = torch.randn(40, 16, generator=torch.Generator().manual_seed(2))
    return (prototypes.points.flatten(0, 1).repeat(4, 1) + 0.02 * noise).clamp(0, 1).view(-1, *IMAGE)


def sizes(result: AttackResult, images: Tensor) -> Tensor:
    return (result.images - images).double().flatten(1).square().sum(1).sqrt()


def test_the_bound_is_never_below_the_true_distance_and_mostly_within_2_percent_of_it(
    prototypes: Prototypes, inputs: Tensor
) -> None:
    predictions = prototypes.classify(inputs)
    truth = torch.tensor(
        [prototypes.boundary_distance(x, int(y)) for x, y in zip(inputs, predictions, strict=True)],
        dtype=torch.float64,
    )
    bounds = attack_upper_bound(prototypes.recreate, inputs, predictions).upper_bounds
    assert (bounds >= truth - 1e-5).all()
    assert (bounds <= 1.02 * truth).double().mean() >= 0.8
    assert truth.min() > 0.02, "the images are too near the boundary to test anything"


def test_a_found_image_is_adversarial_and_as_far_away_as_the_bound_says(prototypes: Prototypes, inputs: Tensor) -> None:
    predictions = prototypes.classify(inputs)
    result = attack_upper_bound(prototypes.recreate, inputs, predictions)
    assert (result.labels != predictions).all()
    assert torch.equal(prototypes.classify(result.images), result.labels)
    torch.testing.assert_close(result.upper_bounds, sizes(result, inputs), rtol=1e-12, atol=0)


def test_more_rivals_never_make_a_bound_larger(prototypes: Prototypes, inputs: Tensor) -> None:
    predictions = prototypes.classify(inputs)
    one, all_ = (
        attack_upper_bound(prototypes.recreate, inputs, predictions, AttackSettings(rivals=rivals)).upper_bounds
        for rivals in (1, 9)
    )
    assert (all_ <= one).all()
    assert (all_ < one).any()


def test_images_at_the_ends_of_their_range_are_attacked_within_it() -> None:
    generator = torch.Generator().manual_seed(4)
    prototypes = Prototypes(torch.rand(4, 2, 16, generator=generator).round())
    inputs = prototypes.points.flatten(0, 1).view(-1, *IMAGE)
    predictions = prototypes.classify(inputs)
    result = attack_upper_bound(prototypes.recreate, inputs, predictions)
    assert ((result.images >= 0) & (result.images <= 1)).all()
    assert (result.labels != predictions).all()


def test_where_pixels_are_at_their_ends_the_others_are_changed_more() -> None:
    generator = torch.Generator().manual_seed(6)
    for _ in range(10):
        own, rival = torch.rand(2, 16, generator=generator)
        image = torch.where(torch.rand(16, generator=generator) < 0.5, own.round(), own)
        prototypes = Prototypes(torch.stack([own, rival])[:, None].expand(2, 2, 16))
        found = attack_upper_bound(prototypes.recreate, image.view(1, *IMAGE), torch.tensor([0])).upper_bounds
        # The nearest point of [0, 1] beyond a plane is clip(x + t n): every t is tried.
        path = (image + torch.linspace(0, 20, 20_001)[:, None] * (rival - own)).clamp(0, 1)
        first = path[(path @ (rival - own) >= (rival.square().sum() - own.square().sum()) / 2)][0]
        assert found.item() == pytest.approx((first - image).norm().item(), rel=0.02)


def test_an_image_that_is_classified_otherwise_already_has_bound_zero(prototypes: Prototypes, inputs: Tensor) -> None:
    predictions = (prototypes.classify(inputs) + 1) % 5
    result = attack_upper_bound(prototypes.recreate, inputs, predictions)
    assert (result.upper_bounds == 0).all()
    assert torch.equal(result.images, inputs)
    assert torch.equal(result.labels, prototypes.classify(inputs))


def test_a_classifier_that_always_answers_the_same_is_never_bounded(prototypes: Prototypes, inputs: Tensor) -> None:
    def stubborn(images: Tensor) -> tuple[Tensor, Tensor]:
        scores, recreations = prototypes.recreate(images)
        return scores + 100 * (torch.arange(5) != 2), recreations

    result = attack_upper_bound(stubborn, inputs, torch.full((40,), 2))
    assert result.upper_bounds.isinf().all()
    assert torch.equal(result.images, inputs)
    assert (result.labels == 2).all()


def test_a_classifier_of_one_class_is_never_bounded(prototypes: Prototypes, inputs: Tensor) -> None:
    only = Prototypes(prototypes.points[:1])
    result = attack_upper_bound(only.recreate, inputs, torch.zeros(40, dtype=torch.int64))
    assert result.upper_bounds.isinf().all()


def test_classes_that_re_create_alike_are_no_way_out(prototypes: Prototypes, inputs: Tensor) -> None:
    twins = Prototypes(prototypes.points[:1].expand(2, 2, 16))
    result = attack_upper_bound(twins.recreate, inputs, torch.zeros(40, dtype=torch.int64))
    assert result.upper_bounds.isinf().all()
    assert torch.equal(result.images, inputs)


def test_a_bound_is_never_below_the_exact_inference_radius(
    brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    coarse = replace(
        brute_force,
        latents=brute_force.latents[::4],
        images=brute_force.images[:, ::4],
        penalties=brute_force.penalties[::4],
    )

    def recreate(images: Tensor) -> tuple[Tensor, Tensor]:
        scores, best = coarse.scores(images).min(2)
        return scores, coarse.images[torch.arange(3), best].view(*scores.shape, *images.shape[1:])

    images = toy_images[0][:12]
    predictions, radii = brute_force_radii(coarse, images)
    result = attack_upper_bound(recreate, images, predictions)
    assert (result.upper_bounds >= radii).all()
    assert result.upper_bounds.isfinite().all()
    assert (recreate(result.images)[0].argmin(1) != predictions).all()
    assert (result.upper_bounds < 4 * radii).double().mean() > 0.5


@pytest.fixture(scope="module")
def toy_inference(toy: EABS) -> LatentInference:
    return LatentInference.prepare(toy, beta=1.0, seed=0, candidates=100)


def test_latent_inference_re_creates_what_it_scores(
    toy_inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    images = toy_images[0]
    scores, recreations = recreate_by_inference(toy_inference, EFFORTS["standard"])(images)
    found = toy_inference.infer(images, EFFORTS["standard"])
    assert torch.equal(scores, found.scores)
    distances = torch.linalg.vector_norm((images[:, None] - recreations).flatten(2), dim=2)
    torch.testing.assert_close(distances, found.distances, rtol=1e-3, atol=1e-3)


def test_an_images_answer_does_not_depend_on_its_neighbours(
    toy_inference: LatentInference, toy_images: tuple[Tensor, Tensor]
) -> None:
    recreate = recreate_by_inference(toy_inference, EFFORTS["standard"])
    images = toy_images[0]
    predictions = recreate(images)[0].argmin(1)
    together = attack_upper_bound(recreate, images, predictions)
    assert together.upper_bounds.isfinite().double().mean() > 0.5
    for i in (0, 7, 23):
        alone = attack_upper_bound(recreate, images[i, None], predictions[i, None])
        assert torch.equal(alone.images[0], together.images[i])
        assert torch.equal(alone.upper_bounds[0], together.upper_bounds[i])


def stricter(prototypes: Prototypes, own: Tensor, margin: float) -> Recreate:
    """The same classifier, whose own class is given a lead."""

    def recreate(images: Tensor) -> tuple[Tensor, Tensor]:
        scores, recreations = prototypes.recreate(images)
        return scores - margin * torch.nn.functional.one_hot(own, 5), recreations

    return recreate


def one_class(prototypes: Prototypes, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The inputs of class 0, and that class."""
    predictions = prototypes.classify(inputs)
    return inputs[predictions == 0], predictions[predictions == 0]


def test_nothing_is_bounded_where_nothing_is_confirmed(prototypes: Prototypes, inputs: Tensor) -> None:
    images, predictions = one_class(prototypes, inputs)
    result = attack_upper_bound(
        prototypes.recreate, images, predictions, confirm=lambda images: torch.zeros(len(images), dtype=torch.int64)
    )
    assert result.upper_bounds.isinf().all()
    assert torch.equal(result.images, images)
    assert torch.equal(result.labels, predictions)


def test_a_candidate_is_pushed_out_until_it_is_confirmed(prototypes: Prototypes, inputs: Tensor) -> None:
    images, predictions = one_class(prototypes, inputs)
    dearer = stricter(prototypes, torch.tensor(0), 0.005)
    calls = []

    def confirm(candidates: Tensor) -> Tensor:
        calls.append(len(candidates))
        return dearer(candidates)[0].argmin(1)

    found = attack_upper_bound(prototypes.recreate, images, predictions)
    confirmed = attack_upper_bound(prototypes.recreate, images, predictions, confirm=confirm)
    assert (confirmed.upper_bounds > found.upper_bounds).all()
    assert (confirmed.upper_bounds < 1.5 * found.upper_bounds).all()
    assert torch.equal(confirm(confirmed.images), confirmed.labels)
    assert (confirmed.labels != predictions).all()
    torch.testing.assert_close(confirmed.upper_bounds, sizes(confirmed, images), rtol=1e-12, atol=0)
    assert calls[0] == len(images)
    assert calls == sorted(calls[:-1], reverse=True) + calls[-1:]


def test_only_the_classifier_that_confirms_can_make_a_bound_zero(prototypes: Prototypes, inputs: Tensor) -> None:
    images, predictions = one_class(prototypes, inputs)
    mistaken = stricter(prototypes, torch.tensor(0), -0.2)
    assert (mistaken(images)[0].argmin(1) != predictions).any()
    result = attack_upper_bound(mistaken, images, predictions, confirm=prototypes.classify)
    assert (result.upper_bounds > 0).all()
    assert result.upper_bounds.isfinite().any()


@pytest.mark.parametrize("name", ["rivals", "rounds", "bisections"])
def test_settings_without_a_count_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected a positive count, got 0"):
        AttackSettings(**{name: 0})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images, predictions: (images[0], predictions), "images: expected"),
        (lambda images, predictions: (images.double(), predictions), "images: expected"),
        (lambda images, predictions: (images, predictions[1:]), "predictions: expected"),
        (lambda images, predictions: (images, predictions.float()), "predictions: expected"),
    ],
)
def test_other_shapes_and_types_are_refused(
    prototypes: Prototypes,
    inputs: Tensor,
    spoil: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    message: str,
) -> None:
    images, predictions = spoil(inputs, prototypes.classify(inputs))
    with pytest.raises(ValueError, match=message):
        attack_upper_bound(prototypes.recreate, images, predictions)
