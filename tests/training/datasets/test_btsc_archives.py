from pathlib import Path

import pytest

from tests.training.datasets.official_files import HEADER, Sign, read_zip, write_btsc, write_zip
from training.datasets import DatasetError
from training.datasets.btsc_archives import TEST_ZIP, TRAIN_ZIP, read_btsc_archives
from training.datasets.dataset import Split
from training.datasets.source_files import SourceFiles

TRAIN = [Sign(61, (90, 40), colour=(1, 2, 3)), Sign(0, (32, 32)), Sign(0, (31, 90)), Sign(0, (33, 90))]
TEST = [Sign(10, (50, 50))]


def read(folder: Path) -> tuple[Split, Split]:
    return read_btsc_archives(SourceFiles(folder), classes=62)


def change(path: Path, **members: bytes | None) -> None:
    content: dict[str, bytes | None] = {**read_zip(path), **members}
    write_zip(path, {name: data for name, data in content.items() if data is not None})


def test_pictures_of_at_least_32_pixels_are_read_by_class_and_name(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    train, test = read(tmp_path)
    assert train.labels.tolist() == [0, 0, 61]
    assert test.labels.tolist() == [10]
    assert train.images.shape == (3, 3, 32, 32)
    assert train.images[2, :, 9, 9].tolist() == [1, 2, 3]


def test_the_annotated_size_decides_where_a_picture_was_resized_before(tmp_path: Path) -> None:
    write_btsc(tmp_path, [Sign(3, annotated=(25, 40)), Sign(4, annotated=(60, 40))], TEST)
    assert read(tmp_path)[0].labels.tolist() == [4]


def test_annotations_without_a_picture_are_passed_over(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    row = Sign(61, (90, 90)).row("09999_00000.ppm")
    annotations = read_zip(tmp_path / TRAIN_ZIP)["Training/00061/GT-00061.csv"] + b"\r\n" + row.encode()
    change(tmp_path / TRAIN_ZIP, **{"Training/00061/GT-00061.csv": annotations})
    assert read(tmp_path)[0].labels.tolist() == [0, 0, 61]


def test_a_picture_without_annotation_is_read(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    change(tmp_path / TEST_ZIP, **{"Testing/00010/GT-00010.csv": HEADER.encode()})
    assert read(tmp_path)[1].labels.tolist() == [10]


def test_a_class_without_its_file_of_annotations_is_refused(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    change(tmp_path / TEST_ZIP, **{"Testing/00010/GT-00010.csv": None})
    with pytest.raises(DatasetError, match=r"expected the member Testing/00010/GT-00010\.csv, got none"):
        read(tmp_path)


def test_a_label_must_be_its_folders(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    change(tmp_path / TEST_ZIP, **{"Testing/00010/GT-00010.csv": f"{HEADER}\n{Sign(11).row('a.ppm')}".encode()})
    with pytest.raises(DatasetError, match="expected ClassId 10, got 11"):
        read(tmp_path)


@pytest.mark.parametrize("name", [TRAIN_ZIP, TEST_ZIP])
def test_a_truncated_archive_is_refused(tmp_path: Path, name: str) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
    with pytest.raises(DatasetError, match=f"{name}: not a complete zip archive"):
        read(tmp_path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    write_zip(tmp_path / TRAIN_ZIP, {"Readme.txt": b""})
    with pytest.raises(DatasetError, match=f"{TRAIN_ZIP}: expected images, got none"):
        read(tmp_path)


def test_a_picture_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    write_btsc(tmp_path, TRAIN, TEST)
    change(tmp_path / TEST_ZIP, **{"Testing/00010/00000_00000.ppm": b"P6\n32 32\n255\n"})
    with pytest.raises(DatasetError, match="not a complete PPM image"):
        read(tmp_path)
