"""A folder of class folders: `DIR/<class>/*.png`, `.jpg`, `.jpeg` or `.webp`, the folders named as the classes are.

Images are decoded, converted and resized as the server does it, and rounded to bytes. Two files of the same content
count once, so that no image is both trained on and tested with.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from eabs.architecture import PRESETS
from model_store.images import ImageError, decode_image
from training.datasets.dataset import LIKE, Dataset, DatasetError, Mode, Split, split_from_arrays

FOLDER = "folder"
"""The name of this data set."""

TEST_SHARE = 0.2
"""Of every class's images."""

MIN_IMAGES = 10
"""Of every class, so that there are some to train with, to validate with and to test with."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_MAX_PIXELS = 50_000_000  # of one file; decoding takes about 16 bytes a pixel


@dataclass(frozen=True)
class FolderOptions:
    """How a folder becomes a data set.

    `mode` is L (grey, 28x28) or RGB (32x32); None decides for L where no image shows a colour. `seed` draws the split
    into training and test.
    """

    mode: Mode | None = None
    seed: int = 0


def read_folder(folder: Path, options: FolderOptions) -> Dataset:
    """The data set of a folder: labels are the class folders' names in alphabetical order.

    Every class's images are ordered by a hash of the seed and their content; the first fifth is for testing. So the
    split depends on no file's name and not on the other classes.

    Raises:
        DatasetError: fewer than two classes, a class of fewer than `MIN_IMAGES` different images, the same image in
            two classes, a file in a class folder that is no image or cannot be read as one, or an animation.
    """
    if options.mode is not None and options.mode not in get_args(Mode):
        raise DatasetError(f"mode: expected L or RGB, got {options.mode!r}")
    classes = _class_folders(folder)
    digests = {path: _sha256(path) for paths in classes.values() for path in paths}
    distinct = {label: _distinct(folder / label, paths, digests) for label, paths in classes.items()}
    _refuse_contradictions(distinct)
    mode = options.mode or _mode_shown([path for paths in distinct.values() for path in paths.values()])
    train: list[tuple[Path, int]] = []
    test: list[tuple[Path, int]] = []
    for index, paths in enumerate(distinct.values()):
        order = sorted(paths, key=lambda digest: hashlib.sha256(f"{options.seed} {digest}".encode()).digest())
        tested = round(TEST_SHARE * len(order))
        test += [(paths[digest], index) for digest in order[:tested]]
        train += [(paths[digest], index) for digest in order[tested:]]
    return Dataset(
        FOLDER,
        tuple(classes),
        _split(folder, train, mode, len(classes)),
        _split(folder, test, mode, len(classes)),
        {FOLDER: _sha256_of_all(folder, digests)},
        mode,
    )


def _class_folders(folder: Path) -> dict[str, list[Path]]:
    """The image files of every class, both in alphabetical order; nothing that is hidden or lies beside the folders."""
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder; expected one with a folder of images for each class")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        found = ", ".join(path.name for path in classes) or "none"
        raise DatasetError(f"{folder}: expected a folder of images for each of at least two classes, got {found}")
    return {_label(path): _images(path) for path in classes}


def _label(folder: Path) -> str:
    if not folder.name.isprintable():
        raise DatasetError(f"{str(folder)!r}: expected a class's name in printable characters")
    return folder.name


def _images(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for path in files:
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise DatasetError(f"{path}: expected an image ({', '.join(SUFFIXES)}) in a class's folder")
    return files


def _distinct(folder: Path, paths: list[Path], digests: Mapping[Path, str]) -> dict[str, Path]:
    distinct: dict[str, Path] = {}
    for path in paths:
        distinct.setdefault(digests[path], path)
    if len(distinct) < MIN_IMAGES:
        raise DatasetError(f"{folder}: expected at least {MIN_IMAGES} different images of a class, got {len(distinct)}")
    return distinct


def _refuse_contradictions(distinct: Mapping[str, Mapping[str, Path]]) -> None:
    known: dict[str, Path] = {}
    for paths in distinct.values():
        for digest, path in paths.items():
            if digest in known:
                raise DatasetError(f"{path}: expected an image of one class, got the one that is {known[digest]} too")
            known[digest] = path


def _mode_shown(paths: list[Path]) -> Mode:
    return "RGB" if any(_shows_colour(path) for path in paths) else "L"


def _shows_colour(path: Path) -> bool:
    red, green, blue = _decode(path, "RGB")
    return not (np.array_equal(red, green) and np.array_equal(green, blue))


def _split(folder: Path, images: list[tuple[Path, int]], mode: Mode, classes: int) -> Split:
    pixels = np.stack([np.rint(255 * _decode(path, mode)).astype(np.uint8) for path, _ in images])
    labels = np.array([label for _, label in images], np.int64)
    return split_from_arrays(str(folder), pixels, labels, classes=classes)


def _decode(path: Path, mode: Mode) -> NDArray[np.float32]:
    """(C, H, W) in [0, 1]."""
    try:
        shape = PRESETS[LIKE[mode]].image
        return decode_image(path.read_bytes(), shape=shape, max_pixels=_MAX_PIXELS, where=str(path)).pixels
    except ImageError as error:
        raise DatasetError(str(error)) from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error


def _sha256_of_all(folder: Path, digests: Mapping[Path, str]) -> str:
    """One hash over names and contents: of what `LC_ALL=C sha256sum */*` prints in the folder."""
    named = sorted((os.fsencode(path.relative_to(folder)), digest) for path, digest in digests.items())
    lines = b"".join(digest.encode() + b"  " + name + b"\n" for name, digest in named)
    return "sha256:" + hashlib.sha256(lines).hexdigest()
