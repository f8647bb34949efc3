"""Images as the bodies of requests, each within what a server takes at once."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from client.images import EncodedImage, ImageSources, PreparedImage, prepare

_PART = 200  # bytes around one image, in a form or in JSON


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """What one request may hold; these are the server's own defaults (EABS_MAX_IMAGES, EABS_MAX_BODY_BYTES).

    images: in one request.
    body_bytes: of its body. An image that is larger by itself is sent alone, and the server has the last word.
    json_values: numbers in a JSON body, in which arrays of pixels are sent.
    """

    images: int = 64
    body_bytes: int = 16 * 1024 * 1024
    json_values: int = 1_000_000

    def __post_init__(self) -> None:
        if min(self.images, self.body_bytes, self.json_values) < 1:
            raise ValueError(f"expected limits of at least 1, got {self}")


@dataclass(frozen=True)
class Body:
    """What a request carries: so many `images`."""

    content: bytes
    content_type: str
    images: int


def bodies_of(images: ImageSources, limits: RequestLimits) -> Iterator[Body]:
    """Images as requests, each as large as the limits allow, in their order. It reads and encodes, so it may block.

    Raises:
        BadImage, OSError: as `prepare` does.
    """
    return map(body_of, in_batches(prepare(images), limits))


def in_batches(images: Iterable[PreparedImage], limits: RequestLimits) -> Iterator[list[PreparedImage]]:
    """Groups images in their order, each group as large as fits into one request."""
    batch: list[PreparedImage] = []
    size = values = 0
    for image in images:
        more_bytes, more_values = _room(image)
        fits = size + more_bytes <= limits.body_bytes and values + more_values <= limits.json_values
        if batch and (len(batch) == limits.images or not fits):
            yield batch
            batch, size, values = [], 0, 0
        batch.append(image)
        size, values = size + more_bytes, values + more_values
    if batch:
        yield batch


def body_of(images: list[PreparedImage]) -> Body:
    """One file as it is, several as a form, arrays of pixels (and files among them) as JSON."""
    encoded = [image for image in images if isinstance(image, EncodedImage)]
    if len(encoded) < len(images):
        return Body(b'{"images":[' + b",".join(map(_as_json, images)) + b"]}", "application/json", len(images))
    if len(encoded) == 1:
        return Body(encoded[0].data, encoded[0].media_type, 1)
    files = [("image", (str(index), image.data, image.media_type)) for index, image in enumerate(encoded)]
    # httpx writes the form; where the request would go to does not matter.
    form = httpx.Request("POST", "http://server", files=files)
    return Body(form.read(), form.headers["Content-Type"], len(images))


def _as_json(image: PreparedImage) -> bytes:
    if isinstance(image, EncodedImage):
        return b'{"data":"' + base64.b64encode(image.data) + b'"}'
    return image.document


def _room(image: PreparedImage) -> tuple[int, int]:
    # In a form a file takes less than as base64; which of the two it will be is not known yet.
    if isinstance(image, EncodedImage):
        return 4 * (len(image.data) // 3 + 1) + _PART, 1
    return len(image.document) + _PART, image.values
