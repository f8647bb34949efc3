import pytest
import torch

from tests.training.attacks.toy_bank import toy_bank, toy_images
from training.attacks.classifiers import PrototypeLogits, margins
from training.attacks.confined import BestTry, confine, l2_distances, seeded, stride


def test_distances_are_measured_in_float64() -> None:
    near = torch.full((1, 1, 1, 1), 0.5)
    assert l2_distances(near, torch.nextafter(near, torch.ones(()))).item() == 2.0**-24


@pytest.mark.parametrize("radius", [1e-12, 1e-7, 1e-3, 0.5, 3.0])
@pytest.mark.parametrize("spread", [1e-4, 1.0, 1e6])
def test_what_is_confined_lies_in_the_ball_and_in_the_box(radius: float, spread: float) -> None:
    images = toy_images(64)
    radii = torch.full((64,), radius, dtype=torch.float64)
    candidates = images + spread * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    confined = confine(images, candidates, radii)
    assert confined.dtype == torch.float32
    assert (l2_distances(images, confined) <= radii).all()
    assert 0 <= confined.min() <= confined.max() <= 1


def test_a_candidate_outside_is_drawn_to_the_balls_surface_and_no_further() -> None:
    images, radii = toy_images(8), torch.linspace(0.01, 2, 8, dtype=torch.float64)
    confined = confine(images, 1 - images, radii)
    torch.testing.assert_close(l2_distances(images, confined), radii, rtol=1e-5, atol=0)


def test_a_candidate_inside_stays_as_it_is() -> None:
    images = toy_images(8)
    candidates = (images + 0.01).clamp(0, 1)
    assert torch.equal(confine(images, candidates, torch.ones(8, dtype=torch.float64)), candidates)


def test_the_image_stands_in_for_a_candidate_that_is_not_finite() -> None:
    images = toy_images(3)
    candidates = 1 - images
    candidates[1, 0, 0, 0] = torch.nan
    candidates[2, 0, 0, 0] = torch.inf
    confined = confine(images, candidates, torch.ones(3, dtype=torch.float64))
    assert torch.equal(confined[1], images[1])
    assert confined.isfinite().all()
    assert not torch.equal(confined[0], images[0])


def test_a_stride_uses_the_whole_radius_where_pixels_are_clipped() -> None:
    images = torch.zeros(4, 1, 8, 8)
    directions = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    radii = torch.tensor([0.1, 0.5, 1.0, 2.0], dtype=torch.float64)
    moved = stride(images, directions, radii)
    torch.testing.assert_close(l2_distances(images, moved), radii, rtol=1e-3, atol=0)
    assert (moved[directions < 0] == 0).all()


def test_a_stride_without_a_direction_leads_nowhere() -> None:
    images = toy_images(2)
    assert torch.equal(stride(images, torch.zeros_like(images), torch.ones(2, dtype=torch.float64)), images)


def test_the_best_try_is_the_one_that_is_furthest_from_the_label() -> None:
    logits, images = PrototypeLogits(toy_bank()), toy_images(8)
    labels, radii = logits(images).argmax(1), torch.ones(8, dtype=torch.float64)
    best = BestTry(logits, images, labels, radii)
    tries = [confine(images, toy_images(8, seed=seed), radii) for seed in range(2, 7)]
    for attempt in tries:
        best.offer(attempt)
    every = torch.stack([margins(logits(attempt), labels) for attempt in tries])
    assert torch.equal(margins(logits(best.images), labels), every.amin(0))


def test_what_is_drawn_in_a_seeded_block_repeats_and_leaves_no_trace() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded(0, torch.device("cpu")):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with seeded(0, torch.device("cpu")):
        assert torch.equal(torch.rand(2), first)
