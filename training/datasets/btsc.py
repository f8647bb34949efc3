"""BTSC, the Belgian traffic sign classification set (Timofte & Van Gool 2011), as one NumPy archive of 32x32 images."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from training.datasets.dataset import DatasetError, Split, split_from_arrays
from training.datasets.gtsrb import MIN_SIDE
from training.datasets.source_files import SourceFiles

CLASSES = 62
_FILE = "btsc.npz"
_SHAPES = {"images_full": (32, 32, 3), "labels": (), "width": (), "height": ()}


def read_btsc(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of signs of at least 32x32 pixels, labels 0..61.

    An image is the whole crop with its margin around the sign, as GTSRB has it.

    Raises:
        DatasetError: the file is missing or damaged, or lacks an array.
    """
    path = files.path(_FILE)
    return _read_split(path, "train"), _read_split(path, "test")


def _read_split(path: Path, part: str) -> Split:
    arrays = _arrays(path, part)
    large = (arrays["width"] >= MIN_SIDE) & (arrays["height"] >= MIN_SIDE)
    images = arrays["images_full"][large].transpose(0, 3, 1, 2)
    return split_from_arrays(f"{path}: {part}_labels", images, arrays["labels"][large], classes=CLASSES)


def _arrays(path: Path, part: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[f"{part}_{name}"] for name in _SHAPES}
    except KeyError as error:
        raise DatasetError(f"{path}: expected the arrays {part}_{{{','.join(_SHAPES)}}}, got no {error}") from error
    except (OSError, EOFError, TypeError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path}: not a complete NumPy archive: {error}") from error
    count = len(arrays["labels"]) if arrays["labels"].ndim else 0
    for name, array in arrays.items():
        kinds = "u" if name == "images_full" else "iu"
        if array.shape != (count, *_SHAPES[name]) or array.dtype.kind not in kinds:
            expected = f"{(count, *_SHAPES[name])} {'uint8' if name == 'images_full' else 'integers'}"
            raise DatasetError(f"{path}: expected {part}_{name} of {expected}, got {array.shape} {array.dtype}")
    return arrays
