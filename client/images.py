"""What can be sent as an image: files, their bytes, Pillow's images, and arrays of pixels."""

import io
import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from client.errors import BadImage

_SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"RIFF": "image/webp"}


@runtime_checkable
class Picture(Protocol):
    """An image of Pillow. It is sent as a PNG."""

    def save(self, file: IO[bytes], form: str, /) -> None: ...


@runtime_checkable
class PixelArray(Protocol):
    """An array of numpy or torch, (H, W) or (C, H, W) of exactly the model's size; uint8, or floats in [0, 1]."""

    @property
    def shape(self) -> Any: ...
    @property
    def dtype(self) -> Any: ...
    def tolist(self) -> Any: ...
    def __getitem__(self, index: Any, /) -> Any: ...


ImageSource = bytes | str | os.PathLike[str] | Picture | PixelArray
"""One image: the bytes of a PNG, JPEG or WebP file, its path, an image of Pillow, or an array of pixels."""

ImageSources = ImageSource | Iterable[ImageSource]
"""One image or many; an array (B, C, H, W) is many."""


@dataclass(frozen=True)
class EncodedImage:
    """A file's bytes, as they are."""

    data: bytes

    @property
    def media_type(self) -> str:
        """By its first bytes; of anything else PNG, of which the server says what it found instead."""
        return next((kind for start, kind in _SIGNATURES.items() if self.data.startswith(start)), "image/png")


@dataclass(frozen=True)
class PixelImage:
    """Numbers, as the JSON object that the server takes; `values` is how many."""

    document: bytes
    values: int


PreparedImage = EncodedImage | PixelImage


def each_of(images: ImageSources) -> Iterator[ImageSource]:
    """One after the other of one or many.

    Raises:
        BadImage: neither one nor many.
    """
    if isinstance(images, bytes | str | os.PathLike | Picture):
        yield images
    elif isinstance(images, PixelArray):
        if len(images.shape) == 4:
            for index in range(images.shape[0]):
                yield images[index]
        else:
            yield images
    elif isinstance(images, Iterable):
        yield from images
    else:
        raise BadImage(f"expected an image or several, got {type(images).__name__}")


def prepare(images: ImageSources) -> Iterator[PreparedImage]:
    """Images as they are sent, one after the other. Reads files and encodes, so it may block.

    Raises:
        BadImage: one is nothing that can be sent.
        OSError: a file cannot be read, or Pillow cannot write the image as a PNG.
    """
    for index, image in enumerate(each_of(images)):
        yield _prepare(image, f"images[{index}]")


def _prepare(image: ImageSource, where: str) -> PreparedImage:
    if isinstance(image, bytes):
        return EncodedImage(image)
    if isinstance(image, str | os.PathLike):
        return EncodedImage(Path(image).read_bytes())
    if isinstance(image, PixelArray):
        return _pixels(image, where)
    if isinstance(image, Picture):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return EncodedImage(buffer.getvalue())
    kind = type(image).__name__
    raise BadImage(f"{where}: expected bytes, a path, an image of Pillow or an array of pixels, got {kind}")


def _pixels(array: PixelArray, where: str) -> PixelImage:
    dtype = str(array.dtype).removeprefix("torch.")
    if dtype != "uint8" and "float" not in dtype:
        raise BadImage(f"{where}: expected uint8, or floats in [0, 1], got {dtype}")
    shape = tuple(array.shape)
    if len(shape) not in (2, 3):
        raise BadImage(f"{where}: expected shape (H, W) or (C, H, W), got {shape}")
    try:
        numbers = json.dumps(array.tolist(), separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise BadImage(f"{where}: expected numbers, got NaN or infinity") from error
    scale = 255 if dtype == "uint8" else 1
    return PixelImage(f'{{"pixels":{numbers},"scale":{scale}}}'.encode(), math.prod(shape))
