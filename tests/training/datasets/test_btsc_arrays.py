from pathlib import Path

import numpy as np
import pytest

from tests.training.datasets.official_files import Sign, btsc_arrays
from training.datasets import DatasetError
from training.datasets.btsc_arrays import read_btsc_arrays
from training.datasets.dataset import Split
from training.datasets.source_files import SourceFiles

TRAIN = [Sign(61, colour=(1, 2, 3)), Sign(0, annotated=(31, 90)), Sign(5, annotated=(32, 90))]
TEST = [Sign(10), Sign(10, annotated=(90, 31))]
ARRAYS = btsc_arrays(TRAIN, TEST)


def read_btsc(files: SourceFiles) -> tuple[Split, Split]:
    return read_btsc_arrays(files, classes=62)


def write(folder: Path, **changed: np.ndarray) -> SourceFiles:
    np.savez_compressed(folder / "btsc.npz", **(ARRAYS | changed))
    return SourceFiles(folder)


def test_whole_crops_of_signs_of_at_least_32_are_read(tmp_path: Path) -> None:
    train, test = read_btsc(write(tmp_path))
    assert train.labels.tolist() == [61, 5]
    assert test.labels.tolist() == [10]
    assert train.images.shape == (2, 3, 32, 32)
    assert train.images[0, :, 9, 9].tolist() == [1, 2, 3]


def test_pictures_of_one_class_at_one_pole_show_one_sign(tmp_path: Path) -> None:
    signs = [Sign(5), Sign(5), Sign(5), Sign(6)]
    poles = np.array([7, 7, 8, 7], np.int32)
    train, _ = read_btsc(write(tmp_path, **(btsc_arrays(signs, TEST) | {"train_pole": poles})))
    assert train.objects is not None
    assert len(train.objects.unique()) == 3
    assert train.objects[0] == train.objects[1]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"btsc\.npz: no such file"):
        read_btsc(SourceFiles(tmp_path))


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    arrays = {name: array for name, array in ARRAYS.items() if name != "test_width"}
    np.savez(tmp_path / "btsc.npz", **arrays)
    with pytest.raises(DatasetError, match=r"expected the arrays test_images_full.*, got no test_width"):
        read_btsc(SourceFiles(tmp_path))


@pytest.mark.parametrize("kept", [0, 50, -30])
def test_a_truncated_archive_is_refused(tmp_path: Path, kept: int) -> None:
    files = write(tmp_path)
    path = tmp_path / "btsc.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DatasetError, match="not a complete NumPy archive"):
        read_btsc(files)


def test_a_single_array_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "btsc.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match="not a complete NumPy archive"):
        read_btsc(SourceFiles(tmp_path))


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    files = write(tmp_path, train_labels=np.array([{}, {}, {}], object))
    with pytest.raises(DatasetError, match="not a complete NumPy archive: Object arrays cannot be loaded"):
        read_btsc(files)


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, train_images_full=np.zeros((3, 48, 48, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"train_images_full of \(3, 32, 32, 3\) uint8, got \(3, 48, 48, 3\) uint8"):
        read_btsc(files)


def test_images_of_another_type_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, test_images_full=np.zeros((2, 32, 32, 3), np.float32))
    with pytest.raises(DatasetError, match=r"expected test_images_full of .* uint8, got \(2, 32, 32, 3\) float32"):
        read_btsc(files)


@pytest.mark.parametrize(
    ("label", "message"), [(62, "expected labels below 62, got 62"), (-1, "labels from 0, got -1")]
)
def test_labels_out_of_range_are_refused(tmp_path: Path, label: int, message: str) -> None:
    files = write(tmp_path, train_labels=np.array([label, 0, 5]))
    with pytest.raises(DatasetError, match=message):
        read_btsc(files)
