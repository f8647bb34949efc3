"""Answers and images as bytes that other processes can read, and that say themselves whether they are whole.

    magic and format (5) | sha256 of the rest (32) | safetensors: the arrays, and a header of JSON as one more of them

The header has the key that the value was written for, the class, and the fields that are no arrays. Nothing is
unpickled. Whoever may write to the cache may of course write a wrong answer that is well-formed; what is caught is
damage, truncation, another program's data, and one key's value under another.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from service.cache.keys import FORMAT
from service.images.pixels import Shape
from service.images.served_image import ServedImage, identity_of
from service.jobs import Bounds, Outcome, Scores

MAX_VALUE_BYTES = 4 * 1024 * 1024
"""A larger value is neither written nor read whole."""

_MAGIC = b"EABS" + bytes([FORMAT])
_HEADER = "#header"  # no field of a class can have this name
_PREFIX = len(_MAGIC) + hashlib.sha256().digest_size

T = TypeVar("T", bound=Outcome)
V = TypeVar("V", bound=Outcome | ServedImage)


class InvalidValueError(Exception):
    """Not what is written under this key."""


@dataclass(frozen=True)
class Dimensions:
    """What a model's answers are as large as: K classes, images (C, H, W)."""

    classes: int
    image: Shape


def encode(key: str, value: Outcome | ServedImage) -> bytes:
    """An answer or an image, to be written under a key."""
    arrays, scalars = {}, {}
    for field in fields(value):
        content = getattr(value, field.name)
        if isinstance(content, np.ndarray):
            arrays[field.name] = np.ascontiguousarray(content)
        else:
            scalars[field.name] = content
    header = json.dumps({"key": key, "class": type(value).__name__, "fields": scalars}).encode()
    body = save(arrays | {_HEADER: np.frombuffer(header, np.uint8)})
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode_answer(data: bytes, *, key: str, kind: type[T], dimensions: Dimensions) -> T:
    """The answer of a class that was written under a key, about a model of these dimensions.

    Raises:
        InvalidValueError: it is anything else.
    """
    outcome = _decode(data, key=key, kind=kind)
    _check(outcome.steps is None or (type(outcome.steps) is int and outcome.steps >= 0), "steps")
    _check(outcome.converged is None or type(outcome.converged) is bool, "converged")
    _CHECKS[kind](outcome, dimensions)
    return outcome


def decode_image(data: bytes, *, key: str, identity: str) -> ServedImage:
    """The image of this identity, its pixels hashed again.

    Raises:
        InvalidValueError: it is anything else.
    """
    image = _decode(data, key=key, kind=ServedImage)
    pixels, size, mode = cast(object, image.pixels), image.resized_from, image.converted_from
    _check(isinstance(pixels, np.ndarray) and pixels.dtype == np.float32 and pixels.ndim == 3, "pixels")
    _check(bool(((image.pixels >= 0) & (image.pixels <= 1)).all()), "pixels")
    _check(image.identity == identity == identity_of(image.pixels), "identity")
    _check(mode is None or isinstance(mode, str), "converted_from")
    if size is None:
        return image
    # JSON has no tuples.
    _check(isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size), "size")
    return ServedImage(image.pixels, identity, (size[0], size[1]), mode)


def _decode(data: bytes, *, key: str, kind: type[V]) -> V:
    """A value whose class, fields and key are right; what the fields hold is not looked at."""
    body = data[_PREFIX:]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : _PREFIX] != hashlib.sha256(body).digest():
        raise InvalidValueError("expected a whole value of this format")
    try:
        arrays: dict[str, Any] = load(body)
        header = json.loads(arrays.pop(_HEADER).tobytes())
        about, name, scalars = header["key"], header["class"], dict(header["fields"])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidValueError("expected arrays and a header") from None
    if (about, name) != (key, kind.__name__):
        raise InvalidValueError(f"expected {kind.__name__} under its own key")
    if arrays.keys() & scalars.keys() or arrays.keys() | scalars.keys() != {field.name for field in fields(kind)}:
        raise InvalidValueError(f"expected the fields of {kind.__name__}")
    return kind(**arrays, **scalars)


def _check_scores(scores: Scores, dimensions: Dimensions) -> None:
    K = (dimensions.classes,)
    _check(_is_array(scores.scores, np.float32, K) and bool(np.isfinite(scores.scores).all()), "scores")
    _check(_is_array(scores.distances, np.float32, K) and bool(np.isfinite(scores.distances).all()), "distances")
    _check(_is_array(scores.upper_bounds, np.bool_, K), "upper_bounds")
    pictures = scores.reconstructions
    _check(pictures is None or _is_array(pictures, np.uint8, (*K, *dimensions.image)), "reconstructions")


def _check_bounds(found: Bounds, dimensions: Dimensions) -> None:
    K = dimensions.classes
    _check(found.prediction is None or (type(found.prediction) is int and 0 <= found.prediction < K), "prediction")
    _check(_is_float(found.radius, most=np.finfo(float).max), "radius")
    # A class that cannot win at all is infinitely far, and so is an attack that was not found.
    bounds = found.bounds
    _check(bounds is None or (_is_array(bounds, np.float64, (K,)) and not np.isnan(bounds).any()), "bounds")
    _check(found.attack_upper_bound is None or _is_float(found.attack_upper_bound), "attack_upper_bound")
    _check(found.probability is None or _is_float(found.probability, most=1.0), "probability")


_CHECKS: Mapping[type[Outcome], Callable[[Any, Dimensions], None]] = {Scores: _check_scores, Bounds: _check_bounds}


def _is_array(value: object, dtype: type[np.generic], shape: tuple[int, ...]) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.shape == shape


def _is_float(value: object, *, most: float = np.inf) -> bool:
    return isinstance(value, float) and 0 <= value <= most


def _check(holds: bool, field: str) -> None:  # noqa: FBT001 - the condition is what it checks
    if not holds:
        raise InvalidValueError(f"expected a {field} of this model's and this key's")
