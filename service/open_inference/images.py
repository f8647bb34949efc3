"""The input tensor `image` -> images that a model takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid, TooLarge
from service.images.pixels import Shape
from service.images.served_image import ServedImage, identity_of
from service.open_inference.schemas import RequestInput
from service.open_inference.tensors import read_numbers, read_strings

INPUT = "image"
DATATYPES = ("FP32", "UINT8", "BYTES")


@dataclass(frozen=True)
class SentImages:
    """Images that came encoded, as their bytes, or as numbers, ready for the model; one of the lists is empty."""

    encoded: list[bytes] = field(default_factory=list)
    ready: list[ServedImage] = field(default_factory=list)


def read_image_tensor(
    tensor: RequestInput, source: bytes | Sequence[object], *, shape: Shape, max_images: int
) -> SentImages:
    """The images of a tensor.

    Args:
        tensor: FP32 in [0, 1] or UINT8 of shape (B, C, H, W), or BYTES of shape (B,), each an encoded image.
        source: its binary data, or its JSON list.
        shape: the model's (C, H, W).
        max_images: the most that B may be.

    Raises:
        Invalid: another datatype or shape, no image, NaN, out of range.
        TooLarge: too many images.
        Malformed: as `read_strings` does.
    """
    if tensor.datatype not in DATATYPES:
        raise Invalid(f"{INPUT}: expected one of the datatypes {', '.join(DATATYPES)}, got {tensor.datatype[:40]!r}")
    expected = () if tensor.datatype == "BYTES" else shape
    if not tensor.shape or tuple(tensor.shape[1:]) != expected:
        wanted = ", ".join(map(str, ("B", *expected)))
        raise Invalid(f"{INPUT}: expected shape [{wanted}] for {tensor.datatype}, got {_short(tensor.shape)}")
    count = tensor.shape[0]
    if count == 0:
        raise Invalid(f"{INPUT}: expected at least one image, got shape {tensor.shape}")
    if count > max_images:
        raise TooLarge(f"{INPUT}: expected at most {max_images} images, got {_short(tensor.shape)}")
    if tensor.datatype == "BYTES":
        return SentImages(encoded=read_strings(source, shape=tensor.shape, where=INPUT))
    values = read_numbers(source, datatype=tensor.datatype, shape=tensor.shape, where=INPUT)
    return SentImages(ready=[_served(image) for image in _in_unit_range(values)])


def _in_unit_range(values: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
    if values.dtype == np.uint8:
        return values.astype(np.float32) / np.float32(255)
    # NaN is in no range, too.
    outside = ~((values >= 0) & (values <= 1))
    if outside.any():
        position = tuple(int(index) for index in np.argwhere(outside)[0])
        value = float(values[position])
        hint = " (send UINT8 for values of 0..255)" if 1 < value <= 255 else ""
        raise Invalid(f"{INPUT}: expected numbers in [0, 1], got {value:g} at {list(position)}{hint}")
    return values.astype(np.float32)


def _served(pixels: NDArray[np.float32]) -> ServedImage:
    # A copy, so that keeping one image does not keep its neighbours.
    own = pixels.copy()
    return ServedImage(own, identity_of(own))


def _short(shape: Sequence[int]) -> str:
    shown = ", ".join(str(size) if size < 10**9 else "..." for size in shape[:8])
    return f"[{shown}{', ...' if len(shape) > 8 else ''}]"
