import numpy as np
import pytest
from PIL import Image

from model_store.images.decoding import DecodedImage, decode_image
from model_store.images.errors import DamagedImage, ImageTooLarge, UnsupportedImage
from tests.service.pictures import (
    animated,
    cmyk_jpeg,
    encode,
    huge_png,
    png,
    random_pixels,
    random_png,
    sixteen_bit_png,
)

GREY = (1, 28, 28)
COLOUR = (3, 32, 32)


def decode(data: bytes, shape: tuple[int, int, int] = GREY) -> DecodedImage:
    return decode_image(data, shape=shape, max_pixels=4_000_000)


def test_a_png_of_the_models_size_and_mode_is_taken_as_it_is() -> None:
    pixels = random_pixels()
    decoded = decode(png(pixels))
    np.testing.assert_array_equal(decoded.pixels, pixels[None].astype(np.float32) / 255)
    assert decoded.pixels.dtype == np.float32
    assert (decoded.resized_from, decoded.converted_from) == (None, None)


def test_the_planes_of_a_colour_image_come_first() -> None:
    pixels = random_pixels(shape=(32, 32, 3))
    decoded = decode(png(pixels), COLOUR)
    np.testing.assert_array_equal(decoded.pixels, pixels.transpose(2, 0, 1).astype(np.float32) / 255)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_every_listed_format_is_read(form: str) -> None:
    decoded = decode(encode(Image.new("RGB", (32, 32), (255, 255, 255)), form), COLOUR)
    assert decoded.pixels.min() > 0.98


def test_an_enlarged_image_is_averaged_back_to_its_original() -> None:
    pixels = random_pixels()
    decoded = decode(png(np.kron(pixels, np.ones((3, 3), dtype=np.uint8))))
    np.testing.assert_allclose(decoded.pixels[0], pixels / 255, atol=1e-6)
    assert decoded.resized_from == (84, 84)


def test_an_image_larger_than_the_models_is_not_sampled_but_averaged() -> None:
    stripes = np.zeros((56, 56), dtype=np.uint8)
    stripes[:, ::2] = 255
    np.testing.assert_allclose(decode(png(stripes)).pixels, 0.5, atol=1e-6)


def test_a_smaller_image_is_enlarged_within_the_range() -> None:
    decoded = decode(png(random_pixels(shape=(7, 9))))
    assert decoded.pixels.shape == GREY
    assert decoded.resized_from == (7, 9)
    assert decoded.pixels.min() >= 0
    assert decoded.pixels.max() <= 1


def test_transparent_pixels_are_black() -> None:
    pixels = np.full((28, 28, 4), 255, dtype=np.uint8)
    pixels[:14, :, 3] = 0
    decoded = decode(png(pixels))
    assert decoded.pixels[0, :14].max() == 0
    assert decoded.pixels[0, 14:].min() == 1
    assert decoded.converted_from == "RGBA"


@pytest.mark.parametrize(("mode", "shape"), [("LA", GREY), ("P", GREY), ("1", GREY), ("P", COLOUR), ("L", COLOUR)])
def test_other_modes_are_converted_and_named(mode: str, shape: tuple[int, int, int]) -> None:
    image = Image.new("L", shape[1:], 255).convert(mode)
    decoded = decode(encode(image), shape)
    assert decoded.pixels.shape == shape
    assert decoded.pixels.min() == 1
    assert decoded.converted_from == mode


def test_a_transparent_palette_entry_is_black() -> None:
    image = Image.new("P", (28, 28), 0)
    image.putpalette([255, 255, 255])
    decoded = decode(encode(image, transparency=0))
    assert decoded.pixels.max() == 0


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    values = np.linspace(0, 65535, 784).astype(np.uint16).reshape(28, 28)
    decoded = decode(sixteen_bit_png(values))
    np.testing.assert_allclose(decoded.pixels[0], values / 65535, atol=1e-6)
    assert decoded.converted_from == "I;16"


def test_sixteen_grey_bits_fill_all_planes_of_a_colour_model() -> None:
    decoded = decode(sixteen_bit_png(np.full((50, 50), 65535, dtype=np.uint16)), COLOUR)
    assert decoded.pixels.shape == COLOUR
    np.testing.assert_allclose(decoded.pixels, 1, atol=1e-6)


def test_cmyk_is_converted() -> None:
    decoded = decode(cmyk_jpeg(), COLOUR)
    assert decoded.pixels.shape == COLOUR
    assert decoded.converted_from == "CMYK"


def test_the_orientation_of_exif_is_applied() -> None:
    pixels = np.zeros((28, 28), dtype=np.uint8)
    pixels[:14] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    upright = decode(encode(Image.fromarray(pixels), exif=exif.tobytes()))
    assert upright.pixels[0, :14].max() == 0
    assert upright.pixels[0, 14:].min() == 1


def test_an_original_size_is_reported_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encode(Image.new("L", (40, 30)), exif=exif.tobytes())).resized_from == (40, 30)


@pytest.mark.parametrize("form", ["WEBP", "PNG"])
def test_an_animation_is_refused(form: str) -> None:
    with pytest.raises(UnsupportedImage, match="expected a still image, got an animation of 3 frames"):
        decode(animated(form))


@pytest.mark.parametrize("data", [b"hello, I am a text", b"GIF89a" + bytes(50), b"RIFF\0\0\0\0WAVE"])
def test_other_files_are_refused_by_their_content(data: bytes) -> None:
    with pytest.raises(UnsupportedImage, match="expected PNG, JPEG or WebP, got"):
        decode(data)


def test_many_pixels_are_refused_before_they_are_decoded() -> None:
    data = huge_png()
    assert len(data) < 8_000
    with pytest.raises(ImageTooLarge, match="expected at most 4000000 pixels, got 30000 x 30000"):
        decode(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_file_is_malformed(form: str, kept: float) -> None:
    data = encode(Image.fromarray(random_pixels(shape=(64, 64, 3))), form)
    with pytest.raises(DamagedImage, match=f"expected a complete {form}, got"):
        decode(data[: max(13, int(len(data) * kept))])


def test_no_bytes_are_malformed() -> None:
    with pytest.raises(DamagedImage, match="got 0 bytes"):
        decode(b"")


@pytest.mark.parametrize("seed", range(100))
def test_a_damaged_file_is_read_or_refused_but_never_raises_anything_else(seed: int) -> None:
    random = np.random.default_rng(seed)
    forms = [random_png(shape=(28, 28, 4)), cmyk_jpeg(), encode(Image.new("RGB", (28, 28)), "WEBP"), animated("PNG")]
    data = bytearray(forms[seed % 4])
    for position in random.integers(0, len(data), 5):
        data[position] = random.integers(0, 256)
    try:
        decoded = decode(bytes(data))
    except (DamagedImage, UnsupportedImage, ImageTooLarge):
        return
    assert decoded.pixels.shape == GREY
