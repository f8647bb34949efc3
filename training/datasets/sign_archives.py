"""Zip archives of traffic signs: a folder of .ppm pictures with a file of annotations in it, as GTSRB began it."""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.datasets.dataset import DatasetError, Split, split_from_arrays

MIN_SIDE = 32
"""Signs that were photographed smaller, in pixels of width or height, are left out."""

SIDE = 32
"""Width and height, in pixels, that every picture is resized to."""

SIGNS_OF_A_CLASS = 100_000
"""More than a class has: its signs' numbers have at most five digits."""


@dataclass(frozen=True)
class Row:
    """One line of an annotation file: the crop's size in pixels as it was photographed."""

    filename: str
    width: int
    height: int
    label: int

    @property
    def large_enough(self) -> bool:
        return min(self.width, self.height) >= MIN_SIDE


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive at `path`.

    Raises:
        DatasetError: it is no complete zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DatasetError(f"{path}: not a complete zip archive: {error}") from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of the member `name`.

    Raises:
        DatasetError: there is none, or it is damaged.
    """
    try:
        return archive.read(name)
    except KeyError as error:
        raise DatasetError(f"{archive.filename}: expected the member {name}, got none") from error
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{archive.filename}: {name} cannot be unpacked: {error}") from error


def read_annotations(archive: zipfile.ZipFile, name: str) -> list[Row]:
    """The lines of the annotation file `name`.

    Raises:
        DatasetError: there is none, or it has another format.
    """
    try:
        lines = csv.DictReader(io.StringIO(read_member(archive, name).decode("ascii")), delimiter=";")
        return [Row(line["Filename"], int(line["Width"]), int(line["Height"]), int(line["ClassId"])) for line in lines]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DatasetError(
            f"{archive.filename}: {name}: expected lines of Filename;Width;Height;...;ClassId, got {error!r}"
        ) from error


def read_class_annotations(archive: zipfile.ZipFile, folder: str, label: int) -> list[Row]:
    """The lines of a class's annotation file, which is in the class's folder.

    Raises:
        DatasetError: there is none, it has another format, or a line is of another class.
    """
    name = f"{folder}/GT-{label:05d}.csv"
    rows = read_annotations(archive, name)
    for row in rows:
        if row.label != label:
            raise DatasetError(f"{name}: expected ClassId {label}, got {row.label} at {row.filename}")
    return rows


def read_picture(archive: zipfile.ZipFile, name: str) -> Image.Image:
    """The picture `name`, in RGB, of the size that it has in the archive.

    Raises:
        DatasetError: there is none, or it is no complete PPM image.
    """
    data = read_member(archive, name)
    try:
        with Image.open(io.BytesIO(data), formats=("PPM",)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{archive.filename}: {name}: not a complete PPM image: {error}") from error


def fitted(picture: Image.Image) -> np.ndarray:
    """The pixels (3, 32, 32) uint8 of a picture, resized with antialiasing."""
    # Pillow's bilinear filter widens with the scale, which is what antialiases.
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def object_of(label: int, filename: str) -> int:
    """Which physical sign of a class a picture shows: its name begins with the sign's number in the class.

    Raises:
        DatasetError: it has another name than `SIGN_VIEW.ppm`, five digits each.
    """
    found = re.fullmatch(r"(\d{5})_\d{5}\.ppm", filename)
    if found is None:
        raise DatasetError(f"expected a picture's name of two numbers, 00000_00000.ppm, got {filename}")
    return label * SIGNS_OF_A_CLASS + int(found[1])


def split_of_signs(
    source: str, images: list[np.ndarray], labels: list[int], *, classes: int, objects: list[int] | None = None
) -> Split:
    """The split of images (3, 32, 32) that were read from `source`, with the numbers of their signs if known.

    Raises:
        DatasetError: there are none, or a label is none of the classes.
    """
    pixels = np.stack(images) if images else np.empty((0, 3, SIDE, SIDE), np.uint8)
    split = split_from_arrays(source, pixels, np.array(labels, np.int64), classes=classes)
    return split if objects is None else replace(split, objects=torch.tensor(objects))
