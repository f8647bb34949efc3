"""One image of an input -> an image ready for the model."""

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bulk.sources import Item, Unreadable
from service.errors import Invalid, Malformed, TooLarge
from service.images.pixels import Shape
from service.images.served_image import ServedImage, identity_of, prepare_image
from service.settings import Settings


def read_item(item: Item, *, shape: Shape, settings: Settings) -> ServedImage:
    """Reads, decodes and checks an image for a model that takes `shape` (C, H, W); blocks.

    Raises:
        Malformed, Unsupported, Invalid, TooLarge: what the image is not. `max_body_bytes` and `max_pixels` bound it.
    """
    content = item.content
    if isinstance(content, Unreadable):
        raise Malformed(content.reason)
    if isinstance(content, np.ndarray):
        pixels = _pixels(content, shape)
        return ServedImage(pixels, identity_of(pixels))
    data = _file(content, settings.max_body_bytes) if isinstance(content, Path) else content
    if len(data) > settings.max_body_bytes:
        raise TooLarge(f"image: expected at most {settings.max_body_bytes} bytes, got more")
    return prepare_image(data, shape=shape, max_pixels=settings.max_pixels)


def fits(image: tuple[int, ...], shape: Shape) -> bool:
    """Whether arrays of the shape `image` are what the model takes: (C, H, W), or (H, W) where C is 1."""
    return image == shape or (shape[0] == 1 and image == shape[1:])


def _file(path: Path, most: int) -> bytes:
    """The file's content, of more than `most` bytes one byte more than that."""
    try:
        # A pipe would wait for its writer, a device may have no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise Malformed(f"image: expected a file, got {path}")
        with path.open("rb") as stream:
            return stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Malformed(f"image: expected a readable file, got {path}: {reason}") from error


def _pixels(values: NDArray[Any], shape: Shape) -> NDArray[np.float32]:
    if not fits(values.shape, shape):
        raise Invalid(f"image: expected shape {shape}, got {values.shape}")
    if values.dtype == np.uint8:
        # As pixels of a file are read, so that equal images have equal answers.
        pixels = values.astype(np.float32) / np.float32(255)
    else:
        outside = values[~((values >= 0) & (values <= 1))]
        if outside.size:
            raise Invalid(f"image: expected numbers in [0, 1], got {outside[0]}")
        pixels = values.astype(np.float32)
    return np.ascontiguousarray(pixels.reshape(shape))
