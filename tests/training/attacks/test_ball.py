import pytest
import torch
from torch import Tensor

from tests.training.attacks.toy_bank import toy_images
from training.attacks.ball import NORMS, Ball, Norm


def noise(images: Tensor) -> Tensor:
    return torch.randn(images.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm", NORMS)
def test_distances_are_measured_in_float64(norm: Norm) -> None:
    near = torch.full((1, 1, 1, 1), 0.5)
    others = torch.nextafter(near, torch.ones(()))
    assert Ball.around(near, norm, 1.0).distances(near, others).item() == 2.0**-24


def test_a_distance_is_the_root_of_the_sum_of_squares_or_the_largest_change_of_a_pixel() -> None:
    images, others = torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.5, 0.25]]]])
    assert Ball.around(images, "l2", 1.0).distances(images, others).item() == pytest.approx(0.3125**0.5)
    assert Ball.around(images, "linf", 1.0).distances(images, others).item() == 0.5


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("radius", [1e-12, 1e-7, 1e-3, 8 / 255, 0.3, 3.0])
@pytest.mark.parametrize("spread", [1e-4, 1.0, 1e6])
def test_what_is_confined_lies_in_the_ball_and_in_the_box(norm: Norm, radius: float, spread: float) -> None:
    images = toy_images(64)
    ball = Ball.around(images, norm, radius)
    confined = ball.confine(images, images + spread * noise(images))
    assert confined.dtype == torch.float32
    assert (ball.distances(images, confined) <= ball.radii).all()
    assert 0 <= confined.min() <= confined.max() <= 1


@pytest.mark.parametrize("norm", NORMS)
def test_a_candidate_outside_is_drawn_to_the_balls_surface_and_no_further(norm: Norm) -> None:
    images = toy_images(8)
    ball = Ball(norm, torch.linspace(0.01, 0.4, 8, dtype=torch.float64))
    confined = ball.confine(images, 1 - images)
    torch.testing.assert_close(ball.distances(images, confined), ball.radii, rtol=1e-5, atol=0)


def test_in_an_linf_ball_every_pixel_is_clipped_for_itself() -> None:
    images = torch.full((1, 1, 1, 3), 0.5)
    confined = Ball.around(images, "linf", 0.25).confine(images, torch.tensor([[[[0.6, 0.9, -3.0]]]]))
    assert torch.equal(confined, torch.tensor([[[[0.6, 0.75, 0.25]]]]))


@pytest.mark.parametrize("norm", NORMS)
def test_a_candidate_inside_stays_as_it_is(norm: Norm) -> None:
    images = toy_images(8)
    candidates = (images + 0.01).clamp(0, 1)
    assert torch.equal(Ball.around(images, norm, 1.0).confine(images, candidates), candidates)


@pytest.mark.parametrize("norm", NORMS)
def test_the_image_stands_in_for_a_candidate_that_is_not_finite(norm: Norm) -> None:
    images = toy_images(3)
    candidates = 1 - images
    candidates[1, 0, 0, 0] = torch.nan
    candidates[2, 0, 0, 0] = torch.inf
    confined = Ball.around(images, norm, 1.0).confine(images, candidates)
    assert torch.equal(confined[1:], images[1:])
    assert not torch.equal(confined[0], images[0])


@pytest.mark.parametrize(("norm", "radii"), [("l2", [0.1, 0.5, 1.0, 2.0]), ("linf", [0.01, 0.1, 0.3, 0.9])])
def test_a_stride_uses_the_whole_radius_where_pixels_are_clipped(norm: Norm, radii: list[float]) -> None:
    images = torch.zeros(4, 1, 8, 8)
    directions = noise(images)
    # Unclipped, the direction's longest way would be in one of these.
    directions[:, 0, 0, 0] = -9
    ball = Ball(norm, torch.tensor(radii, dtype=torch.float64))
    moved = ball.stride(images, directions)
    torch.testing.assert_close(ball.distances(images, moved), ball.radii, rtol=1e-3, atol=0)
    assert (moved[directions < 0] == 0).all()


@pytest.mark.parametrize("norm", NORMS)
def test_a_stride_without_a_direction_leads_nowhere(norm: Norm) -> None:
    images = toy_images(2)
    assert torch.equal(Ball.around(images, norm, 1.0).stride(images, torch.zeros_like(images)), images)


@pytest.mark.parametrize("norm", NORMS)
def test_no_direction_of_its_length_rises_more_than_the_steepest(norm: Norm) -> None:
    images, gradients = torch.full((4, 1, 8, 8), 0.5), noise(torch.zeros(4, 1, 8, 8))
    ball = Ball.around(images, norm, 0.1)

    def rise(directions: Tensor) -> Tensor:
        return (gradients * (ball.stride(images, directions) - images)).flatten(1).sum(1)

    steepest = rise(ball.steepest(gradients))
    for other in (gradients.sign(), gradients, gradients**3):
        assert (rise(other) <= steepest * 1.0001).all()


def test_some_of_the_images_have_their_own_radii() -> None:
    radii = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert Ball("l2", radii).select(torch.tensor([2, 0])).radii.tolist() == [3.0, 1.0]
    assert Ball("l2", radii).select(torch.tensor([False, True, False])).radii.tolist() == [2.0]


@pytest.mark.parametrize("radii", [torch.ones(2), torch.ones(2, 1, dtype=torch.float64), torch.zeros(2).double()])
def test_radii_that_are_none_are_refused(radii: Tensor) -> None:
    with pytest.raises(ValueError, match="radii: expected"):
        Ball("l2", radii)


def test_a_ball_of_the_other_norm_is_refused_where_one_is_required() -> None:
    ball = Ball.around(toy_images(1), "linf", 0.1)
    ball.require("linf")
    with pytest.raises(ValueError, match="expected l2, got linf"):
        ball.require("l2")
