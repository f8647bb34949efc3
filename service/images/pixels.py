"""Pixels that a client sends as JSON numbers: they must be exactly what the model takes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid

Shape = tuple[int, int, int]


def read_pixels(values: object, *, scale: int, shape: Shape, where: str = "pixels") -> NDArray[np.float32]:
    """Nested lists of numbers as an image.

    Args:
        values: lists of the shape (H, W) or (C, H, W); numbers in [0, 1], or in 0..255 with a `scale` of 255.
        scale: what the numbers are divided by.
        shape: the model's (C, H, W); (H, W) is accepted for it where C is 1.
        where: names the values in errors.

    Returns:
        (C, H, W) float32 in [0, 1].

    Raises:
        Invalid: another shape, ragged lists, something that is no number, NaN, infinity, or out of range.
    """
    actual = _shape_of(values, where)
    if actual != shape and not (shape[0] == 1 and actual == shape[1:]):
        also = f" or {shape[1:]}" if shape[0] == 1 else ""
        raise Invalid(f"{where}: expected shape {shape}{also}, got {actual}")
    flat = values
    for _ in actual[1:]:
        flat = _concatenated(flat, where)
    assert isinstance(flat, list)  # noqa: S101 - _shape_of has seen it
    _check_numbers(flat, scale, where)
    return (np.array(flat, dtype=np.float64) / scale).astype(np.float32).reshape(shape)


def _shape_of(values: object, where: str) -> tuple[int, ...]:
    """The shape that the first elements suggest, at most four deep."""
    shape: list[int] = []
    while isinstance(values, list) and len(shape) < 4:
        shape.append(len(values))
        values = values[0] if values else None
    if not shape:
        raise Invalid(f"{where}: expected nested lists of numbers, got {type(values).__name__}")
    return tuple(shape)


def _concatenated(rows: object, where: str) -> list[object]:
    """One level of nesting less; every row must be a list as long as the first."""
    assert isinstance(rows, list)  # noqa: S101 - _shape_of has seen it
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            raise Invalid(f"{where}: expected lists of equal length, got {_kind(row)} at {index}")
        if len(row) != len(rows[0]):
            raise Invalid(f"{where}: expected rows of equal length {len(rows[0])}, got {len(row)} at row {index}")
    return [value for row in rows for value in row]


def _check_numbers(flat: Sequence[object], scale: int, where: str) -> None:
    allowed = "numbers in [0, 1]" if scale == 1 else f"numbers in 0..{scale}"
    for index, value in enumerate(flat):
        if type(value) is not int and type(value) is not float:
            raise Invalid(f"{where}: expected {allowed}, got {_kind(value)} at position {index}")
        if not 0 <= value <= scale:
            shown = value if isinstance(value, float) or abs(value) < 10**9 else "a huge integer"
            hint = ' (set "scale": 255 for values of 0..255)' if scale == 1 and 1 < value <= 255 else ""
            raise Invalid(f"{where}: expected {allowed}, got {shown} at position {index}{hint}")


def _kind(value: object) -> str:
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")
