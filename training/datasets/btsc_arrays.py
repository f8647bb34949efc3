"""BTSC as one NumPy archive of 32x32 images."""

import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.datasets.dataset import DatasetError, Split, split_from_arrays
from training.datasets.sign_archives import MIN_SIDE, SIGNS_OF_A_CLASS
from training.datasets.source_files import SourceFiles

FILE = "btsc.npz"
_FORMATS: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "images_full": ((32, 32, 3), np.uint8),
    "labels": ((), np.integer),
    "width": ((), np.integer),
    "height": ((), np.integer),
    "pole": ((), np.integer),
}
"""The arrays of a part that are read: the shape behind N, and the type."""

_UNREADABLE = (
    OSError,
    EOFError,
    TypeError,
    ValueError,
    AttributeError,
    RuntimeError,  # encryption or compression that zipfile does not know
    zipfile.BadZipFile,
    zlib.error,
)


def read_btsc_arrays(files: SourceFiles, *, classes: int) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of signs of at least 32x32 pixels.

    Raises:
        DatasetError: the file is missing or damaged, or lacks an array.
    """
    path = files.path(FILE)
    return _read_split(path, "train", classes), _read_split(path, "test", classes)


def _read_split(path: Path, part: str, classes: int) -> Split:
    arrays = _arrays(path, part)
    large = (arrays["width"] >= MIN_SIDE) & (arrays["height"] >= MIN_SIDE)
    images = arrays["images_full"][large].transpose(0, 3, 1, 2)
    labels = arrays["labels"][large]
    split = split_from_arrays(f"{path}: {part}_labels", images, labels, classes=classes)
    objects = labels.astype(np.int64) * SIGNS_OF_A_CLASS + arrays["pole"][large]
    return replace(split, objects=torch.from_numpy(objects))


def _arrays(path: Path, part: str) -> dict[str, np.ndarray]:
    names = {name: f"{part}_{name}" for name in _FORMATS}
    try:
        # np.load leaves a file open that it opened itself and could not read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in names.values() if name not in archive]
            arrays = {} if missing else {key: archive[name] for key, name in names.items()}
    except _UNREADABLE as error:
        raise DatasetError(f"{path}: not a complete NumPy archive: {error}") from error
    if missing:
        raise DatasetError(f"{path}: expected the arrays {', '.join(names.values())}, got no {', '.join(missing)}")
    for key, array in arrays.items():
        shape, kind = (arrays["labels"].size, *_FORMATS[key][0]), _FORMATS[key][1]
        if array.shape != shape or not np.issubdtype(array.dtype, kind):
            expected = f"{names[key]} of {shape} {kind.__name__}"
            raise DatasetError(f"{path}: expected {expected}, got {array.shape} {array.dtype}")
    return arrays
