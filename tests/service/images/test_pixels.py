import numpy as np
import pytest

from service.errors import Invalid
from service.images.pixels import read_pixels

SHAPE = (1, 2, 3)


def test_numbers_between_zero_and_one_are_taken_as_they_are() -> None:
    pixels = read_pixels([[0, 0.25, 1], [0.5, 1.0, 0.0]], scale=1, shape=SHAPE)
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, np.array([[[0, 0.25, 1], [0.5, 1, 0]]], dtype=np.float32))


def test_a_scale_of_255_divides() -> None:
    pixels = read_pixels([[[0, 51, 255], [255, 255, 255]]], scale=255, shape=SHAPE)
    np.testing.assert_allclose(pixels[0, 0], [0, 0.2, 1], atol=1e-7)


def test_channels_come_first() -> None:
    planes = [[[0.1] * 4] * 4, [[0.2] * 4] * 4, [[0.3] * 4] * 4]
    pixels = read_pixels(planes, scale=1, shape=(3, 4, 4))
    np.testing.assert_allclose(pixels[:, 0, 0], [0.1, 0.2, 0.3], atol=1e-7)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([[0, 0], [0, 0]], r"expected shape \(1, 2, 3\) or \(2, 3\), got \(2, 2\)"),
        ([], r"got \(0,\)"),
        ([[]], r"got \(1, 0\)"),
        ([0, 0, 0, 0, 0, 0], r"got \(6,\)"),
        ([[[[0, 0, 0], [0, 0, 0]]]], r"got \(1, 1, 2, 3\)"),
        ([[0, 0, 0], [0, 0]], "expected rows of equal length 3, got 2 at row 1"),
        ([[0, 0, 0], 5], "expected lists of equal length, got a number at 1"),
        ([[0, 0, float("nan")], [0, 0, 0]], r"expected numbers in \[0, 1\], got nan at position 2"),
        ([[0, float("inf"), 0], [0, 0, 0]], "got inf at position 1"),
        ([[0, 0, 0], [-0.1, 0, 0]], "got -0.1 at position 3"),
        ([[0, 0, 0], [0, 0, 1.5]], 'got 1.5 at position 5 .set "scale": 255'),
        ([[0, 0, 0], [0, 0, 10**400]], "got a huge integer at position 5"),
        ([[0, 0, 0], [0, 0, True]], "got a boolean at position 5"),
        ([[0, 0, 0], [0, 0, "1"]], "got a string at position 5"),
        ([[0, 0, 0], [0, 0, None]], "got null at position 5"),
        ([[0, 0, 0], [0, 0, [1]]], "got a list at position 5"),
        ([[0, 0, 0], [0, 0, {}]], "got an object at position 5"),
        ("pixels", "expected nested lists of numbers, got str"),
    ],
)
def test_what_is_no_image_is_refused_with_what_was_expected_and_what_came(values: object, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        read_pixels(values, scale=1, shape=SHAPE)


def test_values_above_255_are_refused_whatever_the_scale() -> None:
    with pytest.raises(Invalid, match=r"expected numbers in 0\.\.255, got 256 at position 0"):
        read_pixels([[256, 0, 0], [0, 0, 0]], scale=255, shape=SHAPE)
