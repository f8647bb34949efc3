"""Arrays of images in an .npz, read as a stream, whether it is compressed or not."""

import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.bulk.errors import InputError
from service.bulk.sources.source import Item, Source

_READ_BYTES = 1 << 20
_MOST_ROW_BYTES = 1 << 28
_DAMAGES = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class _Header:
    """What an .npy says of its array; `nbytes` is the header's own size."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    nbytes: int

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class Npz(Source):
    """`images`, (N, H, W) or (N, C, H, W), uint8 or floats in [0, 1], and `labels`, N integers, if they are there.

    An image's id is its index. The fingerprint is of the file's size and time of change and of the arrays' headers.
    """

    def __init__(self, path: Path) -> None:
        """Raises:
        InputError: the file or an array is not as above; objects, which would have to be unpickled, never are.
        """
        self._path = path
        with self._reporting(), zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "images.npy" not in names:
                raise InputError(f"{path}: expected an array 'images', got {', '.join(sorted(names)) or 'none'}")
            self._images = self._header(archive, "images.npy")
            self._labels = self._header(archive, "labels.npy") if "labels.npy" in names else None
            status = path.stat()
        self._check()
        self.count = self._images.shape[0]
        self.image_shape = self._images.shape[1:]
        self.labelled = self._labels is not None
        headers = [(header.shape, str(header.dtype)) for header in (self._images, self._labels) if header is not None]
        facts = json.dumps([status.st_size, status.st_mtime_ns, headers])
        self.fingerprint = f"sha256:{hashlib.sha256(facts.encode()).hexdigest()}"

    def items(self, start: int = 0) -> Generator[Item, None, None]:
        labels: Iterator[Any] = repeat(None)
        if self._labels is not None:
            labels = self._rows("labels.npy", self._labels, start)
        images = self._rows("images.npy", self._images, start)
        for index, (image, label) in enumerate(zip(images, labels, strict=False), start):
            yield Item(str(index), image, None if label is None else int(label))

    def _check(self) -> None:
        images, labels = self._images, self._labels
        if len(images.shape) not in (3, 4) or not math.prod(images.shape):
            raise InputError(f"{self._path}: images: expected (N, H, W) or (N, C, H, W), got {images.shape}")
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise InputError(f"{self._path}: images: expected uint8, or floats in [0, 1], got {images.dtype}")
        if images.row_bytes > _MOST_ROW_BYTES:
            raise InputError(f"{self._path}: images: expected at most {_MOST_ROW_BYTES} bytes each, got {images.shape}")
        if labels is not None and (labels.shape != images.shape[:1] or labels.dtype.kind not in "iu"):
            raise InputError(
                f"{self._path}: labels: expected {images.shape[0]} integers, got {labels.dtype} {labels.shape}"
            )

    def _header(self, archive: zipfile.ZipFile, member: str) -> _Header:
        with archive.open(member) as stream:
            version = npy.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise InputError(f"{self._path}: {member}: expected an .npy of version 1 or 2, got {version}")
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, by_columns, dtype = read(stream)
            header = _Header(shape, dtype, stream.tell())
        if dtype.hasobject or (by_columns and len(shape) > 1):
            raise InputError(f"{self._path}: {member}: expected numbers in C order, got {dtype}, Fortran: {by_columns}")
        announced = header.nbytes + math.prod(shape) * dtype.itemsize
        size = archive.getinfo(member).file_size
        if size != announced:
            raise InputError(f"{self._path}: {member}: expected {announced} bytes for {shape}, got {size}")
        return header

    def _rows(self, member: str, header: _Header, start: int) -> Iterator[NDArray[Any]]:
        """The rows from `start` on; each owns its memory."""
        at_a_time = max(1, _READ_BYTES // header.row_bytes)
        with self._reporting(), zipfile.ZipFile(self._path) as archive, archive.open(member) as stream:
            stream.seek(header.nbytes + start * header.row_bytes)
            for first in range(start, header.shape[0], at_a_time):
                count = min(at_a_time, header.shape[0] - first)
                data = _read_all(stream, count * header.row_bytes)
                for row in np.frombuffer(data, header.dtype).reshape(count, *header.shape[1:]):
                    yield row.copy()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except _DAMAGES as error:
            raise InputError(f"{self._path}: expected a whole .npz, got {error}") from error


def _read_all(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes; less is an error."""
    pieces = []
    while size:
        piece = stream.read(size)
        if not piece:
            raise EOFError(f"{size} bytes less")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
