"""Jobs, outcomes and images to be kept."""

from typing import Any

import numpy as np

from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import EFFORTS, PAPER_SETTINGS
from service.cache.values import Dimensions
from service.images.served_image import ServedImage, identity_of
from service.jobs import (
    Bounds,
    CertifyExactInference,
    CertifyFiniteBank,
    CertifySmoothing,
    Classify,
    ClassifyByPrototypes,
    Job,
    Scores,
)

DIMENSIONS = Dimensions(classes=3, image=(1, 4, 5))

JOBS: list[Job[Any]] = [
    Classify("sha256:model", EFFORTS["fast"]),
    Classify("sha256:model", PAPER_SETTINGS),
    ClassifyByPrototypes("sha256:model"),
    CertifyExactInference("sha256:model"),
    CertifyFiniteBank("sha256:model"),
    CertifySmoothing("sha256:model", SmoothingSettings(seed=7), "latent"),
]
"""One of every class, and of every kind of settings."""


def scores(seed: int = 0, *, explained: bool = False) -> Scores:
    """Random scores of DIMENSIONS."""
    random = np.random.default_rng(seed)
    K = DIMENSIONS.classes
    pictures = random.integers(0, 256, (K, *DIMENSIONS.image), dtype=np.uint8) if explained else None
    return Scores(random.random(K, np.float32), random.random(K, np.float32), random.random(K) < 0.5, pictures)


def bounds(seed: int = 0) -> Bounds:
    """A random certificate of DIMENSIONS, of the kinds that tell rivals apart."""
    random = np.random.default_rng(seed)
    distances = random.random(DIMENSIONS.classes)
    distances[1] = np.inf
    return Bounds(1, float(random.random()), distances, np.inf, None)


def image(seed: int = 0, shape: tuple[int, int, int] = (1, 28, 28)) -> ServedImage:
    """A random image that was resized."""
    pixels = np.random.default_rng(seed).random(shape, np.float32)
    return ServedImage(pixels, identity_of(pixels), (56, 57), "RGBA")


def equal(one: object, other: object) -> bool:
    """Whether two outcomes or images hold the same, to the bit."""
    if type(one) is not type(other) or vars(one).keys() != vars(other).keys():
        return False
    for left, right in zip(vars(one).values(), vars(other).values(), strict=True):
        if isinstance(left, np.ndarray):
            same = isinstance(right, np.ndarray) and left.dtype == right.dtype and np.array_equal(left, right)
        else:
            same = type(left) is type(right) and left == right
        if not same:
            return False
    return True
