"""An image as the service knows it: its pixels, its identity, and what was done to it on the way."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.images.decoding import decode_image
from service.images.json_body import Pixels
from service.images.pixels import Shape, read_pixels


@dataclass(frozen=True)
class ServedImage:
    """An image ready for a model.

    `pixels` (C, H, W) float32 in [0, 1]; `identity` `sha256:<hex>` of the pixels and their shape.
    """

    pixels: NDArray[np.float32]
    identity: str
    resized_from: tuple[int, int] | None = None
    converted_from: str | None = None


def prepare_image(source: bytes | Pixels, *, shape: Shape, max_pixels: int, where: str = "image") -> ServedImage:
    """Makes a file's bytes, or pixels, ready for a model that takes `shape` (C, H, W).

    Raises:
        Malformed, Unsupported, Invalid, TooLarge: as `decode_image` and `read_pixels` do.
    """
    if isinstance(source, Pixels):
        pixels = read_pixels(source.values, scale=source.scale, shape=shape, where=f"{where}.pixels")
        return ServedImage(pixels, identity_of(pixels))
    decoded = decode_image(source, shape=shape, max_pixels=max_pixels, where=where)
    return ServedImage(decoded.pixels, identity_of(decoded.pixels), decoded.resized_from, decoded.converted_from)


def identity_of(pixels: NDArray[np.float32]) -> str:
    """`sha256:<hex>` of (C, H, W) float32 pixels, little-endian, followed by their shape."""
    digest = hashlib.sha256(np.ascontiguousarray(pixels, dtype="<f4").tobytes())
    digest.update(repr(tuple(pixels.shape)).encode())
    return f"sha256:{digest.hexdigest()}"
