"""Pixels -> an encoded image."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """The PNG of (C, H, W) pixels: grey for one channel, RGB for three."""
    channels_last = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(channels_last)).save(buffer, "PNG")
    return buffer.getvalue()
