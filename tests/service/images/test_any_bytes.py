"""Whatever a client sends becomes an image that a model takes, or an error that the service knows how to explain."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from service.errors import Invalid, Malformed, TooLarge, Unsupported
from service.images.body import split_body
from service.images.served_image import prepare_image
from tests.service.pictures import encode

SHAPES = ((1, 28, 28), (3, 32, 32))
FORMS = {
    "PNG": {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"},
    "JPEG": {"1", "L", "RGB", "CMYK", "YCbCr"},
    "WEBP": {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"},
}

repeatable = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
shapes = st.sampled_from(SHAPES)


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """A whole file in one of the accepted formats, of a mode that it can hold, of any small size."""
    form = draw(st.sampled_from(sorted(FORMS)))
    mode = draw(st.sampled_from(sorted(FORMS[form])))
    size = draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    noise = np.random.default_rng(draw(st.integers(0, 1000))).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    if mode == "I;16":
        return encode(Image.fromarray(noise[..., 0].astype(np.uint16) * 257), form)
    return encode(image.convert(mode), form)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A picture with some bytes overwritten, taken out, or put in."""
    data = bytearray(draw(pictures()))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(("overwrite", "cut", "insert", "truncate")))
        if kind == "overwrite" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(max_size=40))
        else:
            del data[at:]
    return bytes(data)


def read(data: bytes, content_type: str, shape: tuple[int, int, int]) -> int:
    """How many images a body becomes; each is checked. An error that blames something else than the body is let
    through."""
    try:
        sources = split_body(data, content_type, max_images=4)
        images = [prepare_image(source, shape=shape, max_pixels=10_000) for source in sources]
    except (Malformed, Unsupported, Invalid, TooLarge) as error:
        if not error.detail:
            raise
        return 0
    for image in images:
        assert image.pixels.shape == shape
        assert image.pixels.dtype == np.float32
        assert image.pixels.min() >= 0
        assert image.pixels.max() <= 1
    return len(images)


@repeatable
@given(pictures(), shapes)
def test_every_picture_of_a_listed_format_is_read(data: bytes, shape: tuple[int, int, int]) -> None:
    assert read(data, "image/png", shape) == 1


@repeatable
@given(damaged(), shapes)
def test_a_damaged_picture_is_read_or_refused(data: bytes, shape: tuple[int, int, int]) -> None:
    read(data, "image/jpeg", shape)


@repeatable
@given(st.binary(max_size=300), st.sampled_from(("image/png", "application/json", "multipart/form-data; boundary=b")))
def test_any_bytes_are_read_or_refused(data: bytes, content_type: str) -> None:
    read(data, content_type, SHAPES[0])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
json_images = st.fixed_dictionaries({"data": st.text(max_size=40)}) | st.fixed_dictionaries(
    {"pixels": json_values}, optional={"scale": json_values}
)


@repeatable
@given(st.fixed_dictionaries({"images": json_values | st.lists(json_images, max_size=5)}) | json_values)
def test_any_json_is_read_or_refused(document: object) -> None:
    read(json.dumps(document).encode(), "application/json", SHAPES[0])


_PARTS: dict[str, Callable[[bytes], bytes]] = {
    "image": lambda data: b'Content-Disposition: form-data; name="image"; filename="../../x"\r\n\r\n' + data,
    "other": lambda data: b'Content-Disposition: form-data; name="other"\r\n\r\n' + data,
    "headless": lambda data: b"\r\n" + data,
    "bare": lambda data: data,
}


@repeatable
@given(st.lists(st.tuples(st.sampled_from(sorted(_PARTS)), st.binary(max_size=60) | pictures()), max_size=5))
def test_any_form_is_read_or_refused(parts: list[tuple[str, bytes]]) -> None:
    body = b"".join(b"--b\r\n" + _PARTS[kind](data) + b"\r\n" for kind, data in parts) + b"--b--\r\n"
    read(body, "multipart/form-data; boundary=b", SHAPES[1])


@pytest.mark.parametrize("content_type", ["", "image/gif", "multipart/form-data", "text/plain; charset=x"])
def test_another_content_type_is_refused(content_type: str) -> None:
    assert read(b"\x89PNG\r\n\x1a\n", content_type, SHAPES[0]) == 0
