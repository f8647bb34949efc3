import numpy as np
import pytest

from service.errors import Invalid, ServiceError, TooLarge
from service.images.pixels import Shape
from service.images.served_image import prepare_image
from service.open_inference.images import SentImages, read_image_tensor
from service.open_inference.schemas import RequestInput
from tests.service.pictures import png, random_pixels

SHAPE: Shape = (1, 4, 5)


def read(datatype: str, shape: list[int], source: bytes | list[object], *, model: Shape = SHAPE) -> SentImages:
    tensor = RequestInput(name="image", datatype=datatype, shape=shape)
    return read_image_tensor(tensor, source, shape=model, max_images=3)


def test_every_form_of_an_image_has_the_same_identity() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    shape: Shape = (1, 16, 16)
    expected = prepare_image(png(pixels), shape=shape, max_pixels=256)
    floats = pixels / np.float32(255)
    for datatype, values in (("UINT8", pixels), ("FP32", floats)):
        for source in (values.tobytes(), values.ravel().tolist()):
            (image,) = read(datatype, [1, *shape], source, model=shape).ready
            assert image.identity == expected.identity
            np.testing.assert_array_equal(image.pixels, expected.pixels)


def test_images_keep_their_order_and_none_of_them_keeps_the_others_alive() -> None:
    pixels = random_pixels(0, (3, *SHAPE))
    images = read("UINT8", [3, *SHAPE], pixels.tobytes()).ready
    np.testing.assert_array_equal(np.stack([image.pixels for image in images]), pixels / np.float32(255))
    assert all(image.pixels.base is None for image in images)


def test_encoded_images_are_left_to_the_decoder() -> None:
    assert read("BYTES", [2], ["YQ==", "Yg=="]).encoded == [b"a", b"b"]


@pytest.mark.parametrize(
    ("datatype", "shape", "refusal", "words"),
    [
        ("FP64", [1, 1, 4, 5], Invalid, "expected one of the datatypes FP32, UINT8, BYTES, got 'FP64'"),
        ("FP32", [1, 4, 5], Invalid, r"expected shape \[B, 1, 4, 5\] for FP32, got \[1, 4, 5\]"),
        ("UINT8", [1, 4, 5, 1], Invalid, r"expected shape \[B, 1, 4, 5\] for UINT8"),
        ("BYTES", [1, 1], Invalid, r"expected shape \[B\] for BYTES, got \[1, 1\]"),
        ("BYTES", [], Invalid, r"expected shape \[B\]"),
        ("FP32", [0, 1, 4, 5], Invalid, "at least one image"),
        ("FP32", [4, 1, 4, 5], TooLarge, "expected at most 3 images"),
        ("BYTES", [10**5000], TooLarge, "expected at most 3 images"),
    ],
)
def test_another_datatype_shape_or_number_of_images_is_refused(
    datatype: str, shape: list[int], refusal: type[ServiceError], words: str
) -> None:
    with pytest.raises(refusal, match=words):
        read(datatype, shape, b"")


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "got nan"), (np.inf, "got inf"), (-0.1, "got -0.1"), (7, "UINT8")]
)
def test_a_number_that_is_no_pixel_is_named_with_its_place(value: float, words: str) -> None:
    values = np.zeros((2, *SHAPE), np.float32)
    values[1, 0, 2, 3] = value
    with pytest.raises(Invalid, match=words) as caught:
        read("FP32", [2, *SHAPE], values.tobytes())
    assert "at [1, 0, 2, 3]" in caught.value.detail
