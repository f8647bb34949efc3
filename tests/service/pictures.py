"""Images in files, good and bad."""

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def random_pixels(seed: int = 0, shape: tuple[int, ...] = (28, 28)) -> NDArray[np.uint8]:
    """Noise, the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of (H, W), (H, W, 3) or (H, W, 4) pixels."""
    return encode(Image.fromarray(pixels))


def random_png(seed: int = 0, shape: tuple[int, ...] = (28, 28)) -> bytes:
    """A PNG of noise."""
    return png(random_pixels(seed, shape))


def huge_png(side: int = 30_000) -> bytes:
    """A PNG that declares side x side black pixels, in a few KB; its last rows are missing."""
    rows = zlib.compress(bytes((1 + (side + 7) // 8) * 1000), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def sixteen_bit_png(values: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a pixel."""
    return encode(Image.fromarray(values))


def cmyk_jpeg(shape: tuple[int, int] = (28, 28)) -> bytes:
    """A JPEG in CMYK."""
    return encode(Image.fromarray(random_pixels(1, (*shape, 3))).convert("CMYK"), "JPEG")


def animated(form: str) -> bytes:
    """Three different frames as WEBP or PNG."""
    frames = [Image.fromarray(random_pixels(seed, (28, 28, 3))) for seed in range(3)]
    return encode(frames[0], form, save_all=True, append_images=frames[1:])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
