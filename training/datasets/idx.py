"""MNIST and Fashion-MNIST: four IDX files (http://yann.lecun.com/exdb/mnist/)."""

import gzip
import struct

import numpy as np

from training.datasets.dataset import DatasetError, Split, split_from_arrays
from training.datasets.source_files import SourceFiles

_UINT8 = 0x08


def read_idx(files: SourceFiles, *, classes: int) -> tuple[Split, Split]:
    """The training and the test split: images (N, 1, 28, 28).

    Raises:
        DatasetError: a file is missing or malformed, or the labels are not those of `classes` classes.
    """
    train = _read_split(files, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", classes)
    test = _read_split(files, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", classes)
    return train, test


def _read_split(files: SourceFiles, image_file: str, label_file: str, classes: int) -> Split:
    images = _read_file(files, image_file, dimensions=3)
    labels = _read_file(files, label_file, dimensions=1)
    return split_from_arrays(label_file, images[:, None], labels, classes=classes)


def _read_file(files: SourceFiles, name: str, *, dimensions: int) -> np.ndarray:
    path = files.path(f"{name}.gz", name)
    raw = path.read_bytes()
    try:
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise DatasetError(f"{path}: not a complete gzip file: {error}") from error
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, _UINT8, dimensions)):
        raise DatasetError(f"{path}: expected an IDX header of {dimensions} dimensions of bytes, got {data[:4].hex()}")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != np.prod(shape):
        raise DatasetError(f"{path}: expected {np.prod(shape)} bytes for shape {shape}, got {len(data) - header}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()
