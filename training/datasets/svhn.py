"""SVHN, "format 2": cropped digits in two MATLAB files (Netzer et al. 2011)."""

import zlib

import numpy as np
from scipy.io import loadmat  # type: ignore[import-untyped]
from scipy.io.matlab import MatReadError  # type: ignore[import-untyped]

from training.datasets.dataset import DatasetError, Split, split_from_arrays
from training.datasets.source_files import SourceFiles

_UNREADABLE = (MatReadError, ValueError, TypeError, KeyError, IndexError, OSError, NotImplementedError, zlib.error)


def read_svhn(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32). The files' label 10 is the digit 0.

    Raises:
        DatasetError: a file is missing or is not a MATLAB file of 32x32 digits and their labels.
    """
    return _read_split(files, "train_32x32.mat"), _read_split(files, "test_32x32.mat")


def _read_split(files: SourceFiles, name: str) -> Split:
    path = files.path(name)
    try:
        variables = loadmat(path, variable_names=("X", "y"))
    except _UNREADABLE as error:
        raise DatasetError(f"{path}: not a complete MATLAB file: {error}") from error
    for variable in ("X", "y"):
        if variable not in variables:
            raise DatasetError(f"{path}: expected the variables X and y, got no {variable}")
    images, labels = variables["X"], variables["y"]
    if images.ndim != 4 or images.shape[:3] != (32, 32, 3) or images.dtype != np.uint8:
        raise DatasetError(f"{path}: expected X of (32, 32, 3, N) uint8, got {images.shape} {images.dtype}")
    if labels.ndim != 2 or labels.shape[1] != 1 or labels.dtype.kind not in "ui":
        raise DatasetError(f"{path}: expected y of (N, 1) integers, got {labels.shape} {labels.dtype}")
    if labels.size and not (labels.min() >= 1 and labels.max() <= 10):
        raise DatasetError(f"{path}: expected labels 1 to 10, got {labels.min()} to {labels.max()}")
    return split_from_arrays(str(path), images.transpose(3, 2, 0, 1), labels[:, 0] % 10, classes=10)
