import pytest

from service.errors import Malformed, ServiceError, TooLarge, Unsupported
from service.images.decoding import decode_image
from tests.service.pictures import animated, huge_png, random_png


def test_a_file_that_is_no_image_is_refused_with_the_class_that_http_knows() -> None:
    cases: list[tuple[bytes, type[ServiceError], str]] = [
        (random_png()[:60], Malformed, "expected a complete PNG"),
        (animated("WEBP"), Unsupported, "expected a still image"),
        (huge_png(), TooLarge, "expected at most 10000 pixels"),
    ]
    for data, expected, message in cases:
        with pytest.raises(expected, match=f"photo: {message}") as caught:
            decode_image(data, shape=(1, 28, 28), max_pixels=10_000, where="photo")
        assert type(caught.value) is expected
