"""Encoded images -> what a model takes: float32 (C, H, W) in [0, 1].

bytes -> known format ----> size allowed -> still ---------> pixels -----> upright -> the model's mode -> its size
   UnsupportedImage   ImageTooLarge    UnsupportedImage  DamagedImage
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_store.images.errors import DamagedImage, ImageError, ImageTooLarge, UnsupportedImage
from model_store.images.outline import check_outline

Shape = tuple[int, int, int]

# The size is checked here, before any pixel is decoded; pillow's own guard only warns, or raises too early.
Image.MAX_IMAGE_PIXELS = None

_MAGIC = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff", "WEBP": b"RIFF"}
_HIGH_DEPTH_MODES = {"I;16": 65535.0, "I;16B": 65535.0, "I": 65535.0}


@dataclass(frozen=True)
class DecodedImage:
    """An image ready for the model.

    `pixels` (C, H, W) float32 in [0, 1]; `resized_from` its own (H, W) where that differed; `converted_from` its
    own mode, in pillow's words ("RGBA", "CMYK", "I;16"), where that differed.
    """

    pixels: NDArray[np.float32]
    resized_from: tuple[int, int] | None = None
    converted_from: str | None = None


def decode_image(data: bytes, *, shape: Shape, max_pixels: int, where: str = "image") -> DecodedImage:
    """Decodes a still PNG, JPEG or WebP and fits it to a model's input.

    Transparent images are laid over black, 16-bit ones scaled, EXIF's orientation is applied, and other sizes
    are resized with antialiasing.

    Args:
        data: the file's bytes; its content decides the format, not its name.
        shape: the model's (C, H, W), C being 1 or 3.
        max_pixels: the most pixels that the file may declare.
        where: names the image in errors.

    Raises:
        DamagedImage: empty, truncated or damaged.
        UnsupportedImage: another format, or an animation.
        ImageTooLarge: more pixels than allowed, or more parts than `check_outline` allows.
    """
    image = _open(data, where)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(f"{where}: expected at most {max_pixels} pixels, got {width} x {height}")
    # A phone's JPEG may carry a preview as a second frame ("MPO"); its first one is the photo.
    frames = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnsupportedImage(f"{where}: expected a still image, got an animation of {frames} frames")
    # A damaged file may raise anything inside pillow's parsers.
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        return _fit(upright, mode=image.mode, shape=shape)
    except ImageError:
        raise
    except Exception as error:
        raise DamagedImage(f"{where}: expected a complete {image.format}, got {_reason(error)}") from error


def _open(data: bytes, where: str) -> Image.Image:
    if not data:
        raise DamagedImage(f"{where}: expected an encoded image, got 0 bytes")
    known = next((name for name, magic in _MAGIC.items() if data.startswith(magic)), None)
    if known is None or (known == "WEBP" and data[8:12] != b"WEBP"):
        raise UnsupportedImage(
            f"{where}: expected PNG, JPEG or WebP, got {len(data)} bytes that begin with {data[:8]!r}"
        )
    check_outline(data, known, where)
    try:
        return Image.open(io.BytesIO(data), formats=(known,))
    except Exception as error:
        raise DamagedImage(f"{where}: expected a complete {known}, got {_reason(error)}") from error


def _fit(image: Image.Image, *, mode: str, shape: Shape) -> DecodedImage:
    channels, height, width = shape
    target = "L" if channels == 1 else "RGB"
    source_size = (image.height, image.width)
    converted = _to_mode(image, target)
    if source_size != (height, width):
        # Averaging areas cannot ring and undoes an enlargement exactly; it would leave blocks when enlarging.
        # First the one and then the other: enlarging the short side of a long strip would take memory without measure.
        smaller = (min(image.width, width), min(image.height, height))
        converted = [
            plane.resize(smaller, Image.Resampling.BOX).resize((width, height), Image.Resampling.LANCZOS)
            for plane in converted
        ]
    pixels = np.stack([np.asarray(plane, dtype=np.float32) for plane in converted])
    if len(pixels) < channels:
        pixels = np.repeat(pixels, channels, axis=0)
    return DecodedImage(
        pixels=np.ascontiguousarray(np.clip(pixels / np.float32(255), 0, 1), dtype=np.float32),
        resized_from=source_size if source_size != (height, width) else None,
        converted_from=mode if mode != target else None,
    )


def _to_mode(image: Image.Image, target: str) -> list[Image.Image]:
    """The image's planes as floats of 0..255, so that resizing rounds nothing."""
    if image.mode in _HIGH_DEPTH_MODES:
        values = np.asarray(image, dtype=np.float32) * np.float32(255 / _HIGH_DEPTH_MODES[image.mode])
        return [Image.fromarray(values)]
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return [plane.convert("F") for plane in image.convert(target).split()]


def _reason(error: Exception) -> str:
    return str(error).removeprefix("image file is ") or type(error).__name__
