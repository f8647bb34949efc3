"""BTSC as it is published: two zip archives of a folder a class."""

import zipfile
from pathlib import PurePosixPath

from training.datasets.dataset import Split
from training.datasets.sign_archives import (
    MIN_SIDE,
    SIDE,
    fitted,
    object_of,
    open_archive,
    read_class_annotations,
    read_picture,
    split_of_signs,
)
from training.datasets.source_files import SourceFiles

TRAIN_ZIP = "BelgiumTSC_Training.zip"
TEST_ZIP = "BelgiumTSC_Testing.zip"


def read_btsc_archives(files: SourceFiles, *, classes: int) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of signs of at least 32x32 pixels, by class and name.

    The annotations have a few lines more than there are pictures, and width and height change places in them. So a
    picture's own size decides whether the sign is large enough. Only for one of 32x32, which may have been resized
    before, the annotated size does, where it has one.

    Raises:
        DatasetError: an archive is missing or damaged, or a class has pictures without a file of annotations.
    """
    train = _read_split(files, TRAIN_ZIP, "Training", classes)
    return train, _read_split(files, TEST_ZIP, "Testing", classes)


def _read_split(files: SourceFiles, file: str, part: str, classes: int) -> Split:
    images, labels, objects = [], [], []
    with open_archive(files.path(file)) as archive:
        names = _pictures(archive)
        for label in range(classes):
            folder = f"{part}/{label:05d}"
            if not names.get(folder):
                continue
            annotated = {row.filename: row for row in read_class_annotations(archive, folder, label)}
            for name in sorted(names[folder]):
                picture = read_picture(archive, f"{folder}/{name}")
                row = annotated.get(name) if picture.size == (SIDE, SIDE) else None
                if min(picture.size) >= MIN_SIDE and (row is None or row.large_enough):
                    images.append(fitted(picture))
                    labels.append(label)
                    objects.append(object_of(label, name))
    return split_of_signs(file, images, labels, classes=classes, objects=objects)


def _pictures(archive: zipfile.ZipFile) -> dict[str, list[str]]:
    """The names of the pictures in each folder."""
    found: dict[str, list[str]] = {}
    for member in map(PurePosixPath, archive.namelist()):
        if member.suffix == ".ppm":
            found.setdefault(str(member.parent), []).append(member.name)
    return found
