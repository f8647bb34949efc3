"""Tensors in both of their forms: JSON lists, and little-endian bytes in row-major order."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import Invalid, Malformed
from service.images.json_body import read_base64

_DTYPES = {"UINT8": "u1", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Tensor:
    """A tensor to answer with; `values` are numbers of the datatype's kind, or strings for BYTES."""

    name: str
    datatype: str
    values: NDArray[Any]

    def as_json(self) -> list[int | float | str]:
        """The elements in row-major order; a float32's as the float64 that equals it."""
        elements: list[int | float | str] = self.values.ravel().tolist()
        return elements

    def as_bytes(self) -> bytes:
        """The elements as binary data; a string is its UTF-8 bytes after their number."""
        if self.datatype != "BYTES":
            return self.values.astype(_DTYPES[self.datatype]).tobytes()
        encoded = [str(element).encode() for element in self.values.ravel()]
        return b"".join(_LENGTH.pack(len(element)) + element for element in encoded)


def read_numbers(
    source: bytes | Sequence[object], *, datatype: str, shape: Sequence[int], where: str
) -> NDArray[np.uint8 | np.float32]:
    """A tensor of UINT8 or FP32.

    Args:
        source: its binary data, or its JSON list, flat or nested as `shape` says.
        datatype: UINT8 or FP32.
        shape: what it was declared to be.
        where: names the tensor in errors.

    Returns:
        An array of `shape`, uint8 or float32, NaN and infinity included.

    Raises:
        Invalid: another number of elements, ragged lists, or something that is no number of the datatype.
    """
    dtype = np.dtype(_DTYPES[datatype])
    if isinstance(source, bytes):
        size = prod(shape) * dtype.itemsize
        if len(source) != size:
            raise Invalid(f"{where}: expected {size} bytes for {datatype} of shape {list(shape)}, got {len(source)}")
        # A copy, because the body's bytes may lie at any address and are read-only.
        return np.frombuffer(source, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    flat = flatten(source, shape, where=where)
    kinds = (int,) if datatype == "UINT8" else (int, float)
    for position, value in enumerate(flat):
        # bool is an int for isinstance; 0..255 is checked here, because no such number would fit the array.
        if type(value) not in kinds or (datatype == "UINT8" and not 0 <= value <= 255):
            raise Invalid(f"{where}: expected {_WANTED[datatype]}, got {_shown(value)} at position {position}")
    try:
        with np.errstate(over="ignore"):
            return np.array(flat, np.float64 if datatype == "FP32" else np.uint8).astype(dtype).reshape(shape)
    except OverflowError as error:
        raise Invalid(f"{where}: expected {_WANTED[datatype]}, got a huge integer") from error


def read_strings(source: bytes | Sequence[object], *, shape: Sequence[int], where: str) -> list[bytes]:
    """A tensor of BYTES, flat.

    Args:
        source: its binary data, where each element's length stands before it, or its JSON list, where each is base64.
        shape: what it was declared to be.
        where: names the tensor in errors.

    Raises:
        Malformed: binary data that ends within an element; no base64.
        Invalid: another number of elements, or something that is no string.
    """
    if not isinstance(source, bytes):
        texts = flatten(source, shape, where=where)
        return [_decoded(text, f"{where}[{index}]") for index, text in enumerate(texts)]
    elements: list[bytes] = []
    offset = 0
    while offset < len(source):
        if len(elements) == prod(shape):
            raise Invalid(f"{where}: expected {prod(shape)} elements, got {len(source) - offset} bytes more")
        begin = offset + _LENGTH.size
        if begin > len(source):
            raise Malformed(f"{where}: expected the 4 bytes of an element's length, got {len(source) - offset}")
        (length,) = _LENGTH.unpack_from(source, offset)
        offset = begin + length
        if offset > len(source):
            raise Malformed(f"{where}[{len(elements)}]: expected {length} bytes, got {len(source) - begin}")
        elements.append(source[begin:offset])
    if len(elements) != prod(shape):
        raise Invalid(f"{where}: expected {prod(shape)} elements, got {len(elements)}")
    return elements


def flatten(values: Sequence[object], shape: Sequence[int], *, where: str) -> list[Any]:
    """The elements of JSON lists in row-major order; the lists are flat, or nested exactly as `shape` says.

    Raises:
        Invalid: they are neither.
    """
    if values and isinstance(values[0], list):
        level: list[Any] = [values]
        for size in shape:
            for row in level:
                if not isinstance(row, list) or len(row) != size:
                    got = f"a list of {len(row)}" if isinstance(row, list) else _shown(row)
                    raise Invalid(f"{where}: expected lists of shape {list(shape)}, got {got} for {size} elements")
            level = [value for row in level for value in row]
        return level
    if len(values) != prod(shape):
        raise Invalid(f"{where}: expected {prod(shape)} elements for shape {list(shape)}, got {len(values)}")
    return list(values)


_WANTED = {"UINT8": "integers in 0..255", "FP32": "numbers"}


def _decoded(text: object, where: str) -> bytes:
    if not isinstance(text, str):
        raise Invalid(f"{where}: expected base64, got {_shown(text)}")
    return read_base64(text, where=where)


def _shown(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and abs(value) >= 10**9:
        return "a huge integer"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
