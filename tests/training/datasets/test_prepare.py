import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.official_files import Sign, btsc_arrays, write_gtsrb
from training.datasets import DatasetError, load_dataset
from training.datasets.prepare import is_part, missing_files, prepare
from training.datasets.verification import Verification

GTSRB_ZIPS = {"GTSRB_Final_Training_Images.zip", "GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip"}
BTSC_ZIPS = {"BelgiumTSC_Training.zip", "BelgiumTSC_Testing.zip"}


def missing(name: str, folder: Path) -> dict[str, set[str]]:
    """The names of the missing files by the folder that they belong in."""
    found: dict[str, set[str]] = {}
    for one in missing_files(name, folder):
        found.setdefault(str(one.folder.relative_to(folder)), set()).add(one.file.name)
    return found


def write_german(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    write_gtsrb(folder, [Sign(1)], [Sign(1)])


def test_a_prepared_file_is_read_as_its_folder(mnist_folder: Path, tmp_path: Path) -> None:
    prepare("mnist", mnist_folder, tmp_path / "mnist.safetensors")
    prepared, official = load_dataset("mnist", tmp_path / "mnist.safetensors"), load_dataset("mnist", mnist_folder)
    assert prepared.train.images.equal(official.train.images)
    assert prepared.test.labels.equal(official.test.labels)
    assert (prepared.labels, prepared.sources) == (official.labels, official.sources)


def test_every_source_is_compared_with_the_published_one(mnist_folder: Path, tmp_path: Path) -> None:
    description = prepare("mnist", mnist_folder, tmp_path / "file")
    assert len(description.sources) == 4
    assert {source.verification for source in description.sources.values()} == {Verification.UNKNOWN}


def test_twenty_digits_are_a_part_of_mnist(mnist_folder: Path, tmp_path: Path) -> None:
    description = prepare("mnist", mnist_folder, tmp_path / "file")
    assert is_part(description)
    assert not is_part(description.model_copy(update={"splits": {"train": 60_000, "test": 10_000}}))
    assert not is_part(description.model_copy(update={"name": "gtsrb"}))


def test_what_is_there_is_not_missing(mnist_folder: Path) -> None:
    assert missing("mnist", mnist_folder) == {}


def test_an_unpacked_file_is_not_missing(mnist_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(mnist_folder, tmp_path / "mnist"))
    (folder / "train-labels-idx1-ubyte.gz").rename(folder / "train-labels-idx1-ubyte")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert missing("mnist", folder) == {".": {"t10k-labels-idx1-ubyte.gz"}}


def test_the_files_of_each_part_belong_in_its_folder(tmp_path: Path) -> None:
    assert missing("supertraffic10", tmp_path / "none") == {"gtsrb": GTSRB_ZIPS, "btsc": BTSC_ZIPS}


def test_the_arrays_stand_for_the_belgian_archives(tmp_path: Path) -> None:
    (tmp_path / "btsc").mkdir()
    np.savez(tmp_path / "btsc" / "btsc.npz", **btsc_arrays([Sign(0)], [Sign(0)]))
    assert missing("supertraffic10", tmp_path) == {"gtsrb": GTSRB_ZIPS}


def test_where_some_files_of_a_part_lie_the_rest_belongs_too(tmp_path: Path) -> None:
    write_german(tmp_path)
    (tmp_path / "GTSRB_Final_Test_GT.zip").unlink()
    assert missing("supertraffic10", tmp_path) == {".": {"GTSRB_Final_Test_GT.zip"}, "btsc": BTSC_ZIPS}
    write_german(tmp_path / "gtsrb")
    (tmp_path / "gtsrb" / "GTSRB_Final_Test_GT.zip").unlink()
    assert missing("supertraffic10", tmp_path) == {"gtsrb": {"GTSRB_Final_Test_GT.zip"}, "btsc": BTSC_ZIPS}


def test_slovenian_signs_are_missing_only_where_their_folder_is(tmp_path: Path) -> None:
    (tmp_path / "dfg").mkdir()
    assert missing("supertraffic10", tmp_path)["dfg"] == {"DFG-tsd-annot-json.zip", "JPEGImages.tar.bz2"}


@pytest.mark.parametrize("name", ["cifar", "folder"])
def test_a_set_without_official_files_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"data set '{name}' has no official files: expected one of mnist"):
        missing_files(name, tmp_path)
