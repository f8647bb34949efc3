import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from training.datasets import DatasetError, load_dataset


@pytest.fixture
def copy_of(mnist_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(mnist_folder, tmp_path / "mnist"))


def test_images_and_labels_are_read_as_the_files_have_them(mnist_folder: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    assert dataset.train.images.shape == (180, 1, 28, 28)
    assert dataset.test.images.dtype == torch.uint8
    assert dataset.test.labels.tolist() == [k for k in range(10) for _ in range(2)]
    assert dataset.labels == tuple("0123456789")


def test_every_source_is_named_with_its_hash(mnist_folder: Path) -> None:
    dataset = load_dataset("mnist", mnist_folder)
    file = mnist_folder / "train-labels-idx1-ubyte.gz"
    assert dataset.sources[file.name] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(dataset.sources) == 4


def test_unpacked_files_are_read_too(copy_of: Path) -> None:
    packed = copy_of / "t10k-images-idx3-ubyte.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert len(load_dataset("mnist", copy_of).test) == 20


def test_a_missing_file_is_named(copy_of: Path) -> None:
    (copy_of / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match=r"train-labels-idx1-ubyte\.gz: no such file"):
        load_dataset("mnist", copy_of)


def test_a_truncated_gzip_is_refused(copy_of: Path) -> None:
    file = copy_of / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="not a complete gzip file"):
        load_dataset("mnist", copy_of)


def test_a_file_of_another_shape_is_refused(copy_of: Path) -> None:
    shutil.copy(copy_of / "train-labels-idx1-ubyte.gz", copy_of / "train-images-idx3-ubyte.gz")
    with pytest.raises(DatasetError, match="expected an IDX header of 3 dimensions"):
        load_dataset("mnist", copy_of)


def test_missing_pixels_are_counted(copy_of: Path) -> None:
    file = copy_of / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1]))
    with pytest.raises(DatasetError, match="expected 15680 bytes"):
        load_dataset("mnist", copy_of)


def test_images_without_labels_are_refused(copy_of: Path) -> None:
    shutil.copy(copy_of / "t10k-labels-idx1-ubyte.gz", copy_of / "train-labels-idx1-ubyte.gz")
    with pytest.raises(DatasetError, match="180 images but 20 labels"):
        load_dataset("mnist", copy_of)


def test_labels_of_no_class_are_refused(copy_of: Path) -> None:
    file = copy_of / "t10k-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1] + b"\x0a"))
    with pytest.raises(DatasetError, match="t10k-labels-idx1-ubyte: expected labels below 10, got 10"):
        load_dataset("mnist", copy_of)
