from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from tests.training.datasets.official_files import write_svhn
from training.datasets import DatasetError, load_dataset

LABELS = np.array([10, 1, 9, 10, 5], np.uint8)
IMAGES = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 5), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_svhn(tmp_path, "train_32x32.mat", IMAGES, LABELS)
    write_svhn(tmp_path, "test_32x32.mat", IMAGES[..., :2], LABELS[:2])
    return tmp_path


def test_label_10_is_the_digit_0(folder: Path) -> None:
    dataset = load_dataset("svhn", folder)
    assert dataset.train.labels.tolist() == [0, 1, 9, 0, 5]
    assert dataset.test.labels.tolist() == [0, 1]
    assert dataset.labels == tuple("0123456789")


def test_images_come_first_and_channels_before_rows(folder: Path) -> None:
    images = load_dataset("svhn", folder).train.images
    assert images.shape == (5, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert images.is_contiguous()
    assert images[3, 2, 7, 11] == IMAGES[7, 11, 2, 3]


def test_both_files_are_named_with_their_hashes(folder: Path) -> None:
    assert load_dataset("svhn", folder).sources.keys() == {"train_32x32.mat", "test_32x32.mat"}


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "test_32x32.mat").unlink()
    with pytest.raises(DatasetError, match=r"test_32x32\.mat: no such file"):
        load_dataset("svhn", folder)


@pytest.mark.parametrize("kept", [0, 3, 100, 140, 200, 4000, -1])
def test_a_truncated_file_is_refused(folder: Path, kept: int) -> None:
    file = folder / "train_32x32.mat"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DatasetError, match=r"train_32x32\.mat: (not a complete MATLAB file|expected the variables)"):
        load_dataset("svhn", folder)


def test_a_file_of_something_else_is_refused(folder: Path) -> None:
    (folder / "train_32x32.mat").write_bytes(b"<!DOCTYPE html>" * 100)
    with pytest.raises(DatasetError, match="not a complete MATLAB file"):
        load_dataset("svhn", folder)


def test_a_missing_variable_is_named(folder: Path) -> None:
    savemat(folder / "train_32x32.mat", {"X": IMAGES})
    with pytest.raises(DatasetError, match="expected the variables X and y, got no y"):
        load_dataset("svhn", folder)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (IMAGES.transpose(3, 0, 1, 2), r"got \(5, 32, 32, 3\) uint8"),
        (IMAGES[:, :28], r"got \(32, 28, 3, 5\) uint8"),
        (IMAGES / 255, r"got \(32, 32, 3, 5\) float64"),
    ],
)
def test_images_of_another_shape_or_type_are_refused(folder: Path, images: np.ndarray, got: str) -> None:
    write_svhn(folder, "train_32x32.mat", images, LABELS)
    with pytest.raises(DatasetError, match=r"expected X of \(32, 32, 3, N\) uint8, " + got):
        load_dataset("svhn", folder)


def test_labels_that_are_no_column_of_integers_are_refused(folder: Path) -> None:
    savemat(folder / "train_32x32.mat", {"X": IMAGES, "y": LABELS[None]})
    with pytest.raises(DatasetError, match=r"expected y of \(N, 1\) integers, got \(1, 5\) uint8"):
        load_dataset("svhn", folder)


@pytest.mark.parametrize(("label", "got"), [(0, "got 0 to 10"), (11, "got 1 to 11")])
def test_labels_that_the_format_does_not_have_are_refused(folder: Path, label: int, got: str) -> None:
    labels = LABELS.copy()
    labels[2] = label
    write_svhn(folder, "train_32x32.mat", IMAGES, labels)
    with pytest.raises(DatasetError, match="expected labels 1 to 10, " + got):
        load_dataset("svhn", folder)


def test_images_without_labels_are_refused(folder: Path) -> None:
    write_svhn(folder, "train_32x32.mat", IMAGES, LABELS[:3])
    with pytest.raises(DatasetError, match="5 images but 3 labels"):
        load_dataset("svhn", folder)
