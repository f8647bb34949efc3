"""Why a file is no image that a model could take. Each message names the image, what was expected and what came."""

# ruff: noqa: N818 -- the names read as what happened; the base class says that they are errors.


class ImageError(Exception):
    """A file that is no image for a model."""


class DamagedImage(ImageError):
    """Empty, truncated or damaged."""


class UnsupportedImage(ImageError):
    """Another format, or an animation."""


class ImageTooLarge(ImageError):
    """More pixels, or more parts, than are read."""
