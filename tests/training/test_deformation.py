import torch

from training.deformation import Deformation

STILL = Deformation(rotation=0, shear=0, scale=0, shift=0, warp=0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_strength_an_image_stays_what_it_is() -> None:
    images = torch.rand(3, 2, 9, 9, generator=seeded(0))
    torch.testing.assert_close(STILL(images, seeded(1)), images, atol=1e-5, rtol=0)


def test_equal_seeds_deform_equally_and_others_do_not() -> None:
    images = torch.rand(3, 1, 28, 28, generator=seeded(0))
    assert torch.equal(Deformation()(images, seeded(1)), Deformation()(images, seeded(1)))
    assert not torch.equal(Deformation()(images, seeded(1)), Deformation()(images, seeded(2)))


def test_every_image_is_deformed_in_its_own_way() -> None:
    images = torch.rand(1, 1, 28, 28, generator=seeded(0)).expand(2, -1, -1, -1)
    first, second = Deformation()(images, seeded(1))
    assert not torch.equal(first, second)


def test_a_shift_is_in_pixels() -> None:
    images = torch.zeros(400, 1, 21, 21)
    images[:, :, 10, 10] = 1
    moved = Deformation(rotation=0, shear=0, scale=0, shift=2, warp=0)(images, seeded(3))
    mass = moved.sum((1, 2, 3)).clamp_min(1e-6)
    columns = (moved.sum((1, 2)) * torch.arange(21)).sum(1) / mass - 10
    assert 1.7 < columns.std() < 2.3


def test_what_leaves_the_image_is_replaced_by_its_edge() -> None:
    images = torch.ones(8, 1, 9, 9)
    images[:, :, 1:-1, 1:-1] = 0
    moved = Deformation(rotation=0, shear=0, scale=0, shift=100, warp=0)(images, seeded(4))
    torch.testing.assert_close(moved, torch.ones_like(moved))


def test_a_strength_multiplies_everything_but_the_grid() -> None:
    assert Deformation().times(0) == STILL
    assert Deformation().times(2).warp == 2 * Deformation().warp
