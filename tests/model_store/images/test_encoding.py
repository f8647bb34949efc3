import numpy as np
import pytest

from model_store.images import decode_image, encode_png


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_every_pixel(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 9, 9), dtype=np.uint8)

    decoded = decode_image(encode_png(pixels), shape=(channels, 9, 9), max_pixels=81)

    assert (decoded.resized_from, decoded.converted_from) == (None, None)
    np.testing.assert_array_equal(np.rint(decoded.pixels * 255), pixels)
