import numpy as np

from service.images.json_body import Pixels
from service.images.served_image import identity_of, prepare_image
from tests.service.pictures import png, random_pixels

SHAPE = (1, 28, 28)


def test_equal_pixels_have_one_identity_whatever_they_came_in() -> None:
    pixels = random_pixels()
    file = prepare_image(png(pixels), shape=SHAPE, max_pixels=1000)
    numbers = prepare_image(Pixels(pixels.tolist(), 255), shape=SHAPE, max_pixels=1000)
    assert file.identity == numbers.identity
    assert file.identity.startswith("sha256:")


def test_other_pixels_have_another_identity() -> None:
    pixels = np.zeros(SHAPE, np.float32)
    changed = pixels.copy()
    changed[0, 0, 0] = np.nextafter(np.float32(0), np.float32(1))
    assert identity_of(pixels) != identity_of(changed)


def test_another_shape_has_another_identity() -> None:
    pixels = np.zeros((1, 4, 9), np.float32)
    assert identity_of(pixels) != identity_of(pixels.reshape(1, 6, 6))


def test_the_layout_in_memory_does_not_matter() -> None:
    pixels = random_pixels(shape=(3, 8, 8)).astype(np.float32)
    assert identity_of(pixels) == identity_of(np.asfortranarray(pixels))
