"""The JSON form of a request: images as base64 of encoded files, or as numbers."""

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service.errors import Invalid, Malformed, TooLarge
from service.images.json_document import read_json_document
from service.problems import describe_validation


class EncodedImage(BaseModel):
    """An image as a PNG, JPEG or WebP file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    data: str = Field(description="base64 of the file's bytes", examples=["iVBORw0KGgo..."])


class PixelImage(BaseModel):
    """An image as numbers, of exactly the model's shape."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pixels: list[Any] = Field(
        description="Lists of the shape (H, W) or (C, H, W)", examples=[[[0.0, 0.5], [1.0, 0.25]]]
    )
    scale: Literal[1, 255] = Field(1, description="1: numbers in [0, 1]; 255: numbers in 0..255")


class ImagesRequest(BaseModel):
    """The JSON body of `POST /classify` and `POST /certify`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    images: Annotated[
        list[EncodedImage | PixelImage], Field(description="Each by its `data` or its `pixels`", min_length=1)
    ]


@dataclass(frozen=True)
class Pixels:
    """Numbers that were sent for an image, not checked yet."""

    values: object
    scale: int


def read_json(body: bytes, *, max_images: int) -> list[bytes | Pixels]:
    """The images of a JSON body: files' bytes or pixels.

    Raises:
        Malformed: no JSON, or no base64.
        Invalid: JSON of another form.
        TooLarge: more than `max_images`.
    """
    document = read_json_document(body)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise Invalid('body: expected {"images": [{"data": "<base64>"} or {"pixels": [[...]]}, ...]}')
    images = document["images"]
    if len(images) > max_images:
        raise TooLarge(f"images: expected at most {max_images}, got {len(images)}")
    if not images or set(document) != {"images"}:
        raise Invalid(
            f"body: expected 1 to {max_images} 'images' and no other field, got {len(images)} and {_others(document)}"
        )
    return [_read_one(image, f"images[{index}]") for index, image in enumerate(images)]


def read_base64(text: str, *, where: str, altchars: bytes | None = None) -> bytes:
    """The bytes behind base64 text; missing padding is forgiven.

    Raises:
        Malformed: it is no base64.
    """
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{where}: expected base64, got {len(text)} characters: {error}") from error


def _read_one(image: object, where: str) -> bytes | Pixels:
    form = PixelImage if isinstance(image, dict) and "pixels" in image else EncodedImage
    try:
        read = form.model_validate(image)
    except ValidationError as error:
        found = describe_validation(error.errors(include_url=False))
        raise Invalid(
            f'{where}: expected {{"data": ...}} or {{"pixels": ..., "scale": 1 or 255}}, got {found}'
        ) from error
    if isinstance(read, PixelImage):
        return Pixels(read.pixels, read.scale)
    return read_base64(read.data, where=f"{where}.data")


def _others(document: dict[str, object]) -> str:
    return ", ".join(repr(name[:40]) for name in document if name != "images") or "no other"
