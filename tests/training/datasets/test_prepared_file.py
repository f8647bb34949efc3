import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.datasets import CLASS_LABELS, Dataset, DatasetError, Split, load_dataset
from training.datasets.prepared_file import Description, read_prepared, write_prepared
from training.datasets.verification import Verification

SPLIT = Split(torch.arange(5 * 3 * 4 * 4, dtype=torch.uint8).reshape(5, 3, 4, 4), torch.tensor([0, 1, 2, 1, 0]))
DATASET = Dataset("svhn", CLASS_LABELS["svhn"], SPLIT, SPLIT.subset(torch.tensor([4, 1])), {"x.mat": "sha256:00"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_prepared(DATASET, {"x.mat": Verification.UNKNOWN}, tmp_path / "set.safetensors")
    return tmp_path / "set.safetensors"


def rewrite(file: Path, description: dict[str, object], **tensors: torch.Tensor) -> None:
    """The file with other content, described as if it were meant."""
    content = {name: tensor for name, tensor in (load_file(file) | tensors).items() if tensor.numel()}
    save_file(content, file, {"dataset": Description.model_validate(description).model_dump_json()})


def test_what_was_written_is_read(file: Path) -> None:
    found = load_dataset("svhn", file)
    for split, expected in ((found.train, DATASET.train), (found.test, DATASET.test)):
        assert torch.equal(split.images, expected.images)
        assert torch.equal(split.labels, expected.labels)
    assert (found.name, found.labels, found.sources) == (DATASET.name, DATASET.labels, DATASET.sources)


def test_what_was_photographed_is_read_where_it_was_known(tmp_path: Path) -> None:
    objects = torch.tensor([3, 3, 1, 1, 1])
    known = replace(DATASET, train=replace(SPLIT, objects=objects))
    write_prepared(known, {"x.mat": Verification.UNKNOWN}, tmp_path / "set")
    found = load_dataset("svhn", tmp_path / "set")
    assert found.train.objects is not None
    assert torch.equal(found.train.objects, objects)
    assert found.test.objects is None


def test_the_same_data_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_prepared(DATASET, {"x.mat": Verification.UNKNOWN}, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_a_file_that_is_there_is_replaced_and_nothing_is_left_beside_it(file: Path) -> None:
    file.write_bytes(b"old")
    write_prepared(DATASET, {"x.mat": Verification.UNKNOWN}, file)
    assert len(load_dataset("svhn", file).train) == 5
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_named(file: Path) -> None:
    with pytest.raises(DatasetError, match=r"below\.safetensors: cannot be written"):
        write_prepared(DATASET, {"x.mat": Verification.UNKNOWN}, file / "below.safetensors")


def test_another_data_set_is_refused(file: Path) -> None:
    with pytest.raises(DatasetError, match="expected the data set mnist, got svhn"):
        read_prepared(file, "mnist")


def test_other_classes_than_the_data_sets_are_refused(file: Path) -> None:
    named = replace(DATASET, labels=("a", "b", "c"))
    write_prepared(named, {"x.mat": Verification.UNKNOWN}, file)
    with pytest.raises(DatasetError, match=r"expected the classes 0, 1, .*; prepare it again"):
        load_dataset("svhn", file)


def test_a_changed_byte_is_found(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"damaged: \w+ differ from what was written"):
        read_prepared(file, "svhn")


@pytest.mark.parametrize("content", [b"", b"x" * 7, b"\xff" * 100, b"<!DOCTYPE html>" * 100])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DatasetError, match="expected a folder, or a file that `eabs data prepare` made"):
        load_dataset("svhn", tmp_path / "file")


def test_a_truncated_file_is_refused(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DatasetError, match="expected a folder, or a file that `eabs data prepare` made"):
        read_prepared(file, "svhn")


def test_tensors_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"weights": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(DatasetError, match="expected a folder, or a file that `eabs data prepare` made"):
        read_prepared(tmp_path / "model.safetensors", "svhn")


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("train_images", torch.zeros(5, 4, 4, dtype=torch.uint8), r"train_images \(N, C, H, W\) uint8"),
        ("test_images", torch.zeros(2, 3, 4, 4), r"test_images \(N, C, H, W\) uint8"),
        ("train_labels", torch.tensor([0, 1]), r"train_labels \(N,\), got .* and \(2,\)"),
        ("train_labels", torch.tensor([0, 1, 2, 1, 10]), "train_labels of int64 from 0 to 9"),
        ("test_labels", torch.tensor([-1, 1]), "test_labels of int64 from 0 to 9"),
        ("test_labels", torch.tensor([0.0, 1.0]), "test_labels of int64 from 0 to 9"),
        ("test_labels", torch.tensor([]), "expected test_images and test_labels, got"),
        ("train_objects", torch.tensor([0, 1]), r"expected train_objects \(N,\) int64, got \(2,\)"),
    ],
)
def test_content_that_is_no_data_set_is_refused(file: Path, name: str, tensor: torch.Tensor, message: str) -> None:
    description = write_prepared(DATASET, {"x.mat": Verification.UNKNOWN}, file).model_dump()
    sha256 = {key: value for key, value in description["sha256"].items() if key != name}
    if tensor.numel():
        sha256[name] = hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
    rewrite(file, description | {"sha256": sha256}, **{name: tensor})
    with pytest.raises(DatasetError, match=message):
        read_prepared(file, "svhn")
