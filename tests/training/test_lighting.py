import torch

from training.lighting import Lighting

UNCHANGED = Lighting(brightness=0, contrast=0, tint=0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_strength_an_image_stays_what_it_is() -> None:
    images = torch.rand(3, 3, 8, 8, generator=seeded(0))
    torch.testing.assert_close(UNCHANGED(images, seeded(1)), images)


def test_equal_seeds_light_equally_and_others_do_not() -> None:
    images = torch.rand(3, 3, 8, 8, generator=seeded(0))
    assert torch.equal(Lighting()(images, seeded(1)), Lighting()(images, seeded(1)))
    assert not torch.equal(Lighting()(images, seeded(1)), Lighting()(images, seeded(2)))


def test_images_stay_between_black_and_white() -> None:
    images = torch.rand(50, 3, 8, 8, generator=seeded(0))
    lit = Lighting().times(5)(images, seeded(1))
    assert lit.min() == 0
    assert lit.max() == 1


def test_brightness_is_one_factor_of_all_pixels_and_tint_one_of_each_channel() -> None:
    images = 0.2 + 0.1 * torch.rand(400, 3, 4, 4, generator=seeded(0))
    brighter = Lighting(brightness=0.2, contrast=0, tint=0)(images, seeded(1)) / images
    torch.testing.assert_close(brighter, brighter[:, :1, :1, :1].expand_as(images))
    assert 0.15 < brighter[:, 0, 0, 0].log().std() < 0.25
    tinted = Lighting(brightness=0, contrast=0, tint=0.2)(images, seeded(1)) / images
    torch.testing.assert_close(tinted, tinted[:, :, :1, :1].expand_as(images))
    assert not torch.allclose(tinted[:, 0], tinted[:, 1])


def test_contrast_leaves_each_channel_s_mean() -> None:
    images = 0.4 + 0.1 * torch.rand(50, 3, 8, 8, generator=seeded(0))
    lit = Lighting(brightness=0, contrast=0.2, tint=0)(images, seeded(1))
    torch.testing.assert_close(lit.mean((2, 3)), images.mean((2, 3)))
    ratios = lit.std((2, 3)) / images.std((2, 3))
    assert 0.15 < ratios[:, 0].log().std() < 0.25


def test_a_strength_multiplies_everything() -> None:
    assert Lighting().times(0) == UNCHANGED
    assert Lighting().times(2).brightness == 2 * Lighting().brightness
