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
    """The true distance within [0, 1], rival by rival, by a solver that knows nothing of the bound; slow."""
    levels, x = bank.levels(image[None])[0], image.flatten().double()
    pictures = bank.coordinates @ bank.orthonormal
    own = bank.classes == int(bank.classify(image[None]).predictions)
    P, gaps = pictures[own], levels[own]
    best = np.inf
    for q, level in zip(pictures[~own], levels[~own], strict=True):
        # q wins against p at x + d where 2 d.(p - q) <= level_p - level_q.
        normals, limits = 2 * (P - q).numpy(), (gaps - level).numpy()
        found = minimize(
            lambda d: (d @ d, 2 * d),
            (q - x).clamp(-x, 1 - x).numpy(),
            jac=True,
            bounds=list(zip((-x).tolist(), (1 - x).tolist(), strict=True)),
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


def exact_squared_distance(x: list[Fraction], p: list[Fraction], q: list[Fraction]) -> Fraction | None:
    """From x to where q beats p within [0, 1], squared, in exact arithmetic; None if that is nowhere."""
    normal = [b - a for a, b in zip(p, q, strict=True)]
    needed = sum((a - c) ** 2 - (a - b) ** 2 for a, b, c in zip(x, p, q, strict=True)) / 2
    if needed <= 0:
        return Fraction(0)

    def step(multiplier: Fraction) -> list[Fraction]:
        return [min(max(a + multiplier * n, Fraction(0)), Fraction(1)) - a for a, n in zip(x, normal, strict=True)]

    def reached(multiplier: Fraction) -> Fraction:
        return sum((n * d for n, d in zip(normal, step(multiplier), strict=True)), Fraction(0))

    # What is reached rises in straight pieces from one pixel's meeting a side to the next one's.
    pieces = sorted({((1 if n > 0 else 0) - a) / n for a, n in zip(x, normal, strict=True) if n})
    low = Fraction(0)
    for high in pieces:
        if reached(high) >= needed:
            multiplier = low + (high - low) * (needed - reached(low)) / (reached(high) - reached(low))
            return sum((d * d for d in step(multiplier)), Fraction(0))
        low = high
    return None


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
    every = torch.arange(0, len(brute_force.latents), 900)
    pictures = brute_force.images[:, every].flatten(0, 1).unflatten(1, (1, 8, 8))
    classes = torch.arange(3).repeat_interleave(len(every))
    bank = PrototypeBank.of_images(pictures, brute_force.penalties[every].repeat(3), classes)
    images = toy_images[0][:3]
    radii = certify_finite_bank(bank, images).radii
    true = torch.tensor([distance_to_the_boundary(bank, image) for image in images], dtype=torch.float64)
    assert (radii <= true * (1 + 1e-6)).all()
    assert (radii / true).min() > 0.97, radii / true


@pytest.mark.parametrize("closeness", [1.0, 1e-3, 1e-6, 1e-9, 0.0])
def test_no_bound_exceeds_its_exact_value_however_close_the_prototypes_lie(closeness: float) -> None:
    generator = torch.Generator().manual_seed(4)
    base = torch.rand(1, 1, 4, 4, generator=generator, dtype=torch.float64)
    apart = torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64)
    bank = PrototypeBank.of_images(base + closeness * apart, torch.zeros(2), torch.tensor([0, 1]))
    images = torch.cat([random_images(20), base.float(), (base + closeness * apart.mean(0)).float()]).clamp(0, 1)
    found = certify_finite_bank(bank, images)
    prototypes = [[Fraction(v) for v in row] for row in bank.coordinates.tolist()]
    certified = 0
    for image, prediction, radius in zip(
        images.flatten(1).tolist(), found.predictions.tolist(), found.radii.tolist(), strict=True
    ):
        own, rival = prototypes[prediction], prototypes[1 - prediction]
        exact = exact_squared_distance([Fraction(v) for v in image], own, rival)
        assert radius == 0 or exact is None or Fraction(radius) ** 2 <= exact
        certified += radius > 0
    assert certified > 10 or closeness < 1e-8


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


def test_what_no_image_could_be_does_not_lower_the_radius() -> None:
    # The rival's side of the hyperplane is nearest outside the square: a pixel cannot fall below 0.
    pixels = torch.tensor([[0.5, 0.0], [0.9, -0.4]]).view(2, 1, 1, 2)
    bank = PrototypeBank.of_images(pixels, torch.zeros(2), torch.tensor([0, 1]))
    found = certify_finite_bank(bank, torch.tensor([[[[0.5, 0.0]]]]))
    outside = 0.4 * 2**0.5 / 2
    # Along the side, |d|^2 = (0.4 - d)^2 + 0.16 where d = 0.4.
    assert found.radii.item() == pytest.approx(0.4)
    assert found.radii.item() > outside


def test_a_rival_that_no_image_can_be_won_by_is_infinitely_far() -> None:
    pixels = torch.tensor([[0.5, 0.5], [5.0, 5.0]]).view(2, 1, 1, 2)
    bank = PrototypeBank.of_images(pixels, torch.zeros(2), torch.tensor([0, 1]))
    assert certify_finite_bank(bank, torch.tensor([[[[0.2, 0.3]]]])).radii.item() > 2**0.5


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


@pytest.mark.cuda
def test_a_bank_on_the_gpu_certifies_what_it_does_on_the_cpu() -> None:
    bank, images = random_bank(), random_images(19)
    parts = (part.to("cuda") for part in (bank.points, bank.basis, bank.offsets, bank.classes))
    found, expected = certify_finite_bank(PrototypeBank(*parts), images), certify_finite_bank(bank, images)
    assert torch.equal(found.predictions.cpu(), expected.predictions)
    torch.testing.assert_close(found.radii.cpu(), expected.radii, rtol=0, atol=1e-6)
