"""GTSRB, the German Traffic Sign Recognition Benchmark: three zip archives (Stallkamp et al. 2012)."""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.datasets.dataset import DatasetError, Split, split_from_arrays
from training.datasets.source_files import SourceFiles

MIN_SIDE = 32
"""Signs that were photographed smaller, in pixels of width or height, are left out."""

CLASSES = 43
_SIDE = 32
_TRAIN_ZIP = "GTSRB_Final_Training_Images.zip"
_TEST_ZIP = "GTSRB_Final_Test_Images.zip"
_TEST_LABELS_ZIP = "GTSRB_Final_Test_GT.zip"
_TRAIN_FOLDER = "GTSRB/Final_Training/Images"
_TEST_FOLDER = "GTSRB/Final_Test/Images"
_TEST_LABELS = "GT-final_test.csv"


@dataclass(frozen=True)
class _Row:
    """One line of an annotation file: the crop's size in pixels as it was photographed."""

    filename: str
    width: int
    height: int
    label: int


def read_gtsrb(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of signs of at least 32x32 pixels.

    An image is the whole crop with its margin around the sign. One of another size than 32x32 is resized, with
    antialiasing. Archives whose images were resized to 32x32 before are read as well: which signs are large enough
    is decided by the annotations, which keep the size that a sign was photographed with.

    Raises:
        DatasetError: an archive is missing or damaged, or lacks an image or an annotation.
    """
    with _archive(files.path(_TRAIN_ZIP)) as archive:
        labels, images = [], []
        for label in range(CLASSES):
            folder = f"{_TRAIN_FOLDER}/{label:05d}"
            annotations = f"{folder}/GT-{label:05d}.csv"
            for row in _rows(archive, annotations):
                if row.label != label:
                    raise DatasetError(f"{annotations}: expected ClassId {label}, got {row.label} at {row.filename}")
                if _large_enough(row):
                    images.append(_image(archive, folder, row))
                    labels.append(row.label)
        train = _split(_TRAIN_ZIP, images, labels)
    with _archive(files.path(_TEST_LABELS_ZIP)) as archive:
        rows = [row for row in _rows(archive, _TEST_LABELS) if _large_enough(row)]
    with _archive(files.path(_TEST_ZIP)) as archive:
        images = [_image(archive, _TEST_FOLDER, row) for row in rows]
    return train, _split(_TEST_LABELS_ZIP, images, [row.label for row in rows])


def _large_enough(row: _Row) -> bool:
    return row.width >= MIN_SIDE and row.height >= MIN_SIDE


def _split(source: str, images: list[np.ndarray], labels: list[int]) -> Split:
    pixels = np.stack(images) if images else np.empty((0, 3, _SIDE, _SIDE), np.uint8)
    return split_from_arrays(source, pixels, np.array(labels, np.int64), classes=CLASSES)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DatasetError(f"{path}: not a complete zip archive: {error}") from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except KeyError as error:
        raise DatasetError(f"{archive.filename}: expected the member {name}, got none") from error
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{archive.filename}: {name} cannot be unpacked: {error}") from error


def _rows(archive: zipfile.ZipFile, name: str) -> list[_Row]:
    try:
        lines = csv.DictReader(io.StringIO(_member(archive, name).decode("ascii")), delimiter=";")
        return [_Row(line["Filename"], int(line["Width"]), int(line["Height"]), int(line["ClassId"])) for line in lines]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(
            f"{archive.filename}: {name}: expected lines of Filename;Width;Height;...;ClassId, got {error!r}"
        ) from error


def _image(archive: zipfile.ZipFile, folder: str, row: _Row) -> np.ndarray:
    """The pixels (3, 32, 32) uint8 of the crop that `row` describes."""
    name = f"{folder}/{row.filename}"
    try:
        with Image.open(io.BytesIO(_member(archive, name)), formats=("PPM",)) as image:
            if image.size not in {(row.width, row.height), (_SIDE, _SIDE)}:
                raise DatasetError(
                    f"{archive.filename}: {name}: expected {row.width}x{row.height} pixels as annotated, "
                    f"or {_SIDE}x{_SIDE}, got {image.width}x{image.height}"
                )
            # Pillow's bilinear filter widens with the scale, which is what antialiases.
            picture = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{archive.filename}: {name}: not a complete PPM image: {error}") from error
    return np.asarray(picture).transpose(2, 0, 1)
