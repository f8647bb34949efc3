from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from eabs.certificates.finite_bank import certify_finite_bank
from eabs.prototypes import PrototypeBank
from tests.eabs.test_prototypes import random_bank, random_images
from tests.eabs.toy import BruteForce


def distance_to_the_boundary(bank: PrototypeBank, image: Tensor) -> float:
    """The true distance, rival by rival, by a solver that knows nothing of the bound; slow."""
    prediction = int(bank.classify(image[None]).predictions)
    levels = bank.levels(image[None])[0]
    own = bank.classes == prediction
    P, gaps = bank.coordinates[own], levels[own]
    best = np.inf
    for q, level in zip(bank.coordinates[~own], levels[~own], strict=True):
        # q wins against p at x + d where 2 d.(p - q) <= level_p - level_q.
        normals, limits = 2 * (P - q).numpy(), (gaps - level).numpy()
        start = (q - image.flatten().double()).numpy()
        found = minimize(
            lambda d: (d @ d, 2 * d),
            start,
            jac=True,
            constraints={
                "type": "ineq",
                "fun": lambda d, A=normals, b=limits: b - A @ d,
                "jac": lambda _, A=normals: -A,
            },
            method="SLSQP",
            options={"maxiter": 200, "ftol": 1e-12},
        )
        if (normals @ found.x <= limits + 1e-6).all():
            best = min(best, float(np.sqrt(found.fun)))
    return best


def test_with_two_prototypes_the_radius_is_the_distance_to_their_bisector() -> None:
    images = torch.zeros(2, 1, 1, 2)
    images[1, 0, 0, 0] = 1
    bank = PrototypeBank.of_images(images, torch.tensor([0.0, 0.2]), torch.tensor([0, 1]))
    found = certify_finite_bank(bank, torch.tensor([[[[0.1, 0.7]]]]))
    # |x - q|^2 + 0.2 = |x - p|^2 where x_0 = 0.6.
    assert found.predictions.item() == 0
    assert found.radii.item() == pytest.approx(0.5)
    assert found.bounds[0].tolist() == [torch.inf, found.radii.item()]


def test_the_radius_is_the_true_distance_to_the_boundary() -> None:
    ratios = []
    for seed in range(6):
        bank, images = random_bank(seed=seed), random_images(4, seed=100 + seed)
        radii = certify_finite_bank(bank, images).radii
        for image, radius in zip(images, radii.tolist(), strict=True):
            true = distance_to_the_boundary(bank, image)
            assert radius <= true * (1 + 1e-6)
            ratios.append(radius / true)
    assert min(ratios) > 0.999


def test_on_the_toy_model_the_radius_is_near_the_true_distance(
    brute_force: BruteForce, toy_images: tuple[Tensor, Tensor]
) -> None:
    every = torch.arange(0, len(brute_force.latents), 400)
    pictures = brute_force.images[:, every].flatten(0, 1).unflatten(1, (1, 8, 8))
    classes = torch.arange(3).repeat_interleave(len(every))
    bank = PrototypeBank.of_images(pictures, brute_force.penalties[every].repeat(3), classes)
    images = toy_images[0][:6]
    radii = certify_finite_bank(bank, images).radii
    true = torch.tensor([distance_to_the_boundary(bank, image) for image in images], dtype=torch.float64)
    assert (radii <= true * (1 + 1e-6)).all()
    assert (radii / true).min() > 0.99, radii / true


@pytest.mark.parametrize("closeness", [1.0, 1e-3, 1e-6, 1e-9, 0.0])
def test_no_bound_exceeds_its_exact_value_however_close_the_prototypes_lie(closeness: float) -> None:
    generator = torch.Generator().manual_seed(4)
    base = torch.rand(1, 1, 4, 4, generator=generator, dtype=torch.float64)
    apart = torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64)
    bank = PrototypeBank.of_images(base + closeness * apart, torch.zeros(2), torch.tensor([0, 1]))
    images = torch.cat([random_images(20), base.float(), (base + closeness * apart.mean(0)).float()]).clamp(0, 1)
    found = certify_finite_bank(bank, images)
    P, Q = ([Fraction(v) for v in row] for row in bank.coordinates.tolist())
    squared = sum((p - q) ** 2 for p, q in zip(P, Q, strict=True))
    for image, prediction, radius in zip(
        images.flatten(1).tolist(), found.predictions, found.radii.tolist(), strict=True
    ):
        x = [Fraction(v) for v in image]
        margin = sum((a - q) ** 2 - (a - p) ** 2 for a, p, q in zip(x, P, Q, strict=True))
        margin = -margin if prediction else margin
        # radius <= margin / (2 |p - q|), without a root.
        assert radius == 0 or (margin > 0 and Fraction(radius) ** 2 * 4 * squared <= margin**2)


def test_no_float_image_just_inside_the_radius_gets_another_answer() -> None:
    for seed in range(20):
        bank, images = random_bank(seed=seed), random_images(8, seed=50 + seed)
        found = certify_finite_bank(bank, images)
        for image, label, radius in zip(images, found.predictions.tolist(), found.radii.tolist(), strict=True):
            towards = bank.coordinates[bank.classes != label] - image.flatten().double()
            directions = towards / torch.linalg.vector_norm(towards, dim=1, keepdim=True)
            near = (image.flatten().double() + radius * directions).float().view(-1, 1, 4, 4)
            inside = torch.linalg.vector_norm(near.double() - image.double(), dim=(1, 2, 3)) <= radius
            near = near[inside & ((near >= 0) & (near <= 1)).all(3).all(2).all(1)]
            if len(near):
                assert (bank.classify(near).predictions == label).all()


def test_an_image_on_the_boundary_is_not_certified() -> None:
    images = torch.zeros(2, 1, 1, 2)
    images[1, 0, 0, 0] = 1
    bank = PrototypeBank.of_images(images, torch.zeros(2), torch.tensor([0, 1]))
    assert certify_finite_bank(bank, torch.tensor([[[[0.5, 0.3]]]])).radii.item() == 0


def test_combining_own_prototypes_certifies_more_than_the_nearest_one() -> None:
    # A corner: x sits between two own prototypes, and a rival beyond must beat both.
    pixels = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]).view(3, 1, 1, 2)
    bank = PrototypeBank.of_images(pixels, torch.zeros(3), torch.tensor([0, 0, 1]))
    image = torch.tensor([[[[0.5, 0.2]]]])
    # The nearest point that is no nearer to an own prototype: |r| ^2 + 0.25 = (1 - r)^2 at height r.
    assert certify_finite_bank(bank, image).radii.item() == pytest.approx(0.375 - 0.2, abs=1e-6)
    single = (0.64 - 0.29) / (2 * 1.25**0.5)
    assert single < 0.375 - 0.2


def test_an_images_certificate_does_not_depend_on_the_others() -> None:
    bank, images = random_bank(), random_images(19)
    together = certify_finite_bank(bank, images)
    for chosen in (slice(0, 1), slice(5, 18)):
        alone = certify_finite_bank(bank, images[chosen])
        assert torch.equal(alone.radii, together.radii[chosen])
        assert torch.equal(alone.bounds, together.bounds[chosen])
