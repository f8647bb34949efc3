import json

import pytest

from client.bodies import RequestLimits, body_of, in_batches
from client.images import EncodedImage, PixelImage, prepare
from service.images.body import split_body
from service.images.json_body import Pixels
from tests.service.pictures import random_pixels, random_png


def sizes(limits: RequestLimits, *images: EncodedImage | PixelImage) -> list[int]:
    return [len(batch) for batch in in_batches(images, limits)]


def test_batches_keep_to_the_number_of_images() -> None:
    images = [EncodedImage(b"x")] * 10
    assert sizes(RequestLimits(images=4), *images) == [4, 4, 2]


@pytest.mark.parametrize("pixels", [False, True])
def test_bodies_keep_to_the_number_of_bytes(pixels: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    sources = [random_pixels(seed) if pixels and seed % 2 else random_png(seed) for seed in range(40)]
    limits = RequestLimits(body_bytes=20_000)
    bodies = [body_of(batch) for batch in in_batches(prepare(sources), limits)]
    assert 1 < len(bodies) < 20
    assert max(len(body.content) for body in bodies) <= 20_000


def test_pixels_keep_to_the_number_of_values_of_a_json_body() -> None:
    images = [PixelImage(b"{}", 400)] * 5
    assert sizes(RequestLimits(json_values=1000), *images) == [2, 2, 1]


def test_an_image_that_is_too_large_by_itself_is_sent_alone() -> None:
    large, small = EncodedImage(bytes(5000)), EncodedImage(b"x")
    assert sizes(RequestLimits(body_bytes=2000), small, large, small, small) == [1, 1, 2]


def test_the_server_reads_every_form_of_body() -> None:
    first, second, pixels = random_png(1), random_png(2), random_pixels(3)
    forms = ([first], [first, second], [first, pixels, second])
    bodies = [body_of(list(prepare(form))) for form in forms]  # type: ignore[arg-type]
    read = [split_body(body.content, body.content_type, max_images=3) for body in bodies]
    assert read == [[first], [first, second], [first, Pixels(pixels.tolist(), 255), second]]
    assert [body.content_type.partition(";")[0] for body in bodies] == [
        "image/png",
        "multipart/form-data",
        "application/json",
    ]
    assert json.loads(bodies[2].content)


def test_limits_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RequestLimits(images=0)
