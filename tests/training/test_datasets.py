import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from training.datasets import DatasetError, holdout, load_dataset, to_unit_range


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


def test_an_unknown_set_is_refused_with_the_known_ones(mnist_folder: Path) -> None:
    with pytest.raises(DatasetError, match="'cifar': expected one of mnist, fashion_mnist"):
        load_dataset("cifar", mnist_folder)


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


def test_the_holdout_is_a_tenth_chosen_by_seed_and_disjoint_from_the_rest(mnist_folder: Path) -> None:
    split = load_dataset("mnist", mnist_folder).train
    split.images[:, 0, 0, 0] = torch.arange(180)
    kept, held_out = holdout(split, 0.1, seed=0)
    again = holdout(split, 0.1, seed=0)[1]
    other = holdout(split, 0.1, seed=1)[1]
    marks = [part.images[:, 0, 0, 0].tolist() for part in (kept, held_out)]
    assert len(held_out) == 18
    assert sorted(marks[0] + marks[1]) == list(range(180))
    assert torch.equal(held_out.images, again.images)
    assert not torch.equal(held_out.images, other.images)


def test_bytes_become_floats_in_the_unit_range() -> None:
    values = to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    torch.testing.assert_close(values, torch.tensor([0.0, 0.2, 1.0]))
