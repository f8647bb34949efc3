"""Encoded images -> what a model takes, as its manifest's preprocessing promises: the same for training and serving.

And back, as PNGs.
"""

from model_store.images.decoding import DecodedImage, decode_image
from model_store.images.encoding import encode_png
from model_store.images.errors import DamagedImage, ImageError, ImageTooLarge, UnsupportedImage

__all__ = [
    "DamagedImage",
    "DecodedImage",
    "ImageError",
    "ImageTooLarge",
    "UnsupportedImage",
    "decode_image",
    "encode_png",
]
