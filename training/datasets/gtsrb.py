"""GTSRB, the German Traffic Sign Recognition Benchmark: three zip archives (Stallkamp et al. 2012)."""

import zipfile

import numpy as np

from training.datasets.dataset import DatasetError, Split
from training.datasets.sign_archives import (
    SIDE,
    Row,
    fitted,
    object_of,
    open_archive,
    read_annotations,
    read_class_annotations,
    read_picture,
    split_of_signs,
)
from training.datasets.source_files import SourceFiles

CLASSES = 43
_TRAIN_ZIP = "GTSRB_Final_Training_Images.zip"
_TEST_ZIP = "GTSRB_Final_Test_Images.zip"
_TEST_LABELS_ZIP = "GTSRB_Final_Test_GT.zip"
_TRAIN_FOLDER = "GTSRB/Final_Training/Images"
_TEST_FOLDER = "GTSRB/Final_Test/Images"
_TEST_LABELS = "GT-final_test.csv"


def read_gtsrb(files: SourceFiles) -> tuple[Split, Split]:
    """The training and the test split: images (N, 3, 32, 32) of signs of at least 32x32 pixels.

    An image is the whole crop with its margin around the sign. One of another size than 32x32 is resized, with
    antialiasing. Archives whose images were resized to 32x32 before are read as well: which signs are large enough
    is decided by the annotations, which keep the size that a sign was photographed with.

    Raises:
        DatasetError: an archive is missing or damaged, or lacks an image or an annotation.
    """
    with open_archive(files.path(_TRAIN_ZIP)) as archive:
        labels, images, objects = [], [], []
        for label in range(CLASSES):
            folder = f"{_TRAIN_FOLDER}/{label:05d}"
            for row in read_class_annotations(archive, folder, label):
                if row.large_enough:
                    images.append(_image(archive, folder, row))
                    labels.append(row.label)
                    objects.append(object_of(row.label, row.filename))
        train = split_of_signs(_TRAIN_ZIP, images, labels, classes=CLASSES, objects=objects)
    with open_archive(files.path(_TEST_LABELS_ZIP)) as archive:
        rows = [row for row in read_annotations(archive, _TEST_LABELS) if row.large_enough]
    with open_archive(files.path(_TEST_ZIP)) as archive:
        images = [_image(archive, _TEST_FOLDER, row) for row in rows]
    return train, split_of_signs(_TEST_LABELS_ZIP, images, [row.label for row in rows], classes=CLASSES)


def _image(archive: zipfile.ZipFile, folder: str, row: Row) -> np.ndarray:
    """The pixels (3, 32, 32) uint8 of the crop that `row` describes."""
    name = f"{folder}/{row.filename}"
    picture = read_picture(archive, name)
    if picture.size not in {(row.width, row.height), (SIDE, SIDE)}:
        raise DatasetError(
            f"{archive.filename}: {name}: expected {row.width}x{row.height} pixels as annotated, "
            f"or {SIDE}x{SIDE}, got {picture.width}x{picture.height}"
        )
    return fitted(picture)
