from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.training.datasets.official_files import HEADER, Sign, read_zip, write_gtsrb, write_zip
from training.datasets import DatasetError, load_dataset

TRAIN_ZIP, TEST_ZIP, LABELS_ZIP = (
    "GTSRB_Final_Training_Images.zip",
    "GTSRB_Final_Test_Images.zip",
    "GTSRB_Final_Test_GT.zip",
)
TRAIN = [Sign(0), Sign(0, (33, 50)), Sign(42, (64, 64), colour=(200, 0, 90))]
TEST = [Sign(42), Sign(7, (40, 41))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_gtsrb(tmp_path, TRAIN, TEST)
    return tmp_path


def change(archive: Path, name: str, content: bytes | None) -> None:
    members = read_zip(archive)
    del members[name]
    write_zip(archive, members if content is None else members | {name: content})


def test_every_class_is_kept_under_its_own_number(folder: Path) -> None:
    dataset = load_dataset("gtsrb", folder)
    assert dataset.train.labels.tolist() == [0, 0, 42]
    assert dataset.test.labels.tolist() == [42, 7]
    assert len(dataset.labels) == len(set(dataset.labels)) == 43
    assert dataset.labels[14] == "Stop"


def test_pictures_of_one_track_show_one_sign(folder: Path) -> None:
    objects = load_dataset("gtsrb", folder).train.objects
    assert objects is not None
    assert objects[0] == objects[1] != objects[2]


def test_a_picture_without_a_track_is_refused(folder: Path) -> None:
    row = Sign(42).row("sign.ppm")
    change(folder / TRAIN_ZIP, "GTSRB/Final_Training/Images/00042/GT-00042.csv", f"{HEADER}\r\n{row}".encode())
    change(folder / TRAIN_ZIP, "GTSRB/Final_Training/Images/00042/00000_00000.ppm", None)
    members = read_zip(folder / TRAIN_ZIP)
    write_zip(folder / TRAIN_ZIP, members | {"GTSRB/Final_Training/Images/00042/sign.ppm": Sign(42).ppm()})
    with pytest.raises(DatasetError, match=r"expected a picture.s name of two numbers, .*, got sign\.ppm"):
        load_dataset("gtsrb", folder)


def test_crops_of_any_size_become_32_by_32(folder: Path) -> None:
    images = load_dataset("gtsrb", folder).train.images
    assert images.shape == (3, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert images[2].float().mean((1, 2)).tolist() == [200, 0, 90]


def test_a_large_crop_is_resized_whole_and_with_antialiasing(folder: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    stripes[:16] = 255
    ppm = b"P6\n64 64\n255\n" + stripes.tobytes()
    change(folder / TRAIN_ZIP, "GTSRB/Final_Training/Images/00042/00000_00000.ppm", ppm)
    image = load_dataset("gtsrb", folder).train.images[2]
    assert (image[:, :7] == 255).all()
    # Every second column is white: each pixel is the mean of its surroundings, not one column or the other.
    assert image[:, 10:, 2:-2].float().mean().item() == pytest.approx(127.5, abs=1)
    assert image[:, 10:, 2:-2].float().std() < 1


def test_a_crop_of_32_by_32_keeps_its_pixels(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    ppm = b"P6\n32 32\n255\n" + pixels.tobytes()
    change(folder / TRAIN_ZIP, "GTSRB/Final_Training/Images/00000/00000_00000.ppm", ppm)
    image = load_dataset("gtsrb", folder).train.images[0]
    assert np.array_equal(image.numpy(), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(31, 40), (40, 31), (20, 20)])
def test_signs_smaller_than_32_on_either_side_are_left_out(tmp_path: Path, size: tuple[int, int]) -> None:
    small = Sign(3, size)
    write_gtsrb(tmp_path, [small, *TRAIN], [small, *TEST])
    dataset = load_dataset("gtsrb", tmp_path)
    assert (len(dataset.train), len(dataset.test)) == (len(TRAIN), len(TEST))


def test_the_annotated_size_decides_where_images_were_resized_before(tmp_path: Path) -> None:
    enlarged, shrunk = Sign(1, annotated=(25, 26)), Sign(2, annotated=(100, 90))
    write_gtsrb(tmp_path, [enlarged, shrunk], TEST)
    assert load_dataset("gtsrb", tmp_path).train.labels.tolist() == [2]


def test_all_three_archives_are_named_with_their_hashes(folder: Path) -> None:
    assert load_dataset("gtsrb", folder).sources.keys() == {TRAIN_ZIP, TEST_ZIP, LABELS_ZIP}


@pytest.mark.parametrize("name", [TRAIN_ZIP, TEST_ZIP, LABELS_ZIP])
def test_a_missing_archive_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=f"{name}: no such file"):
        load_dataset("gtsrb", folder)


@pytest.mark.parametrize("name", [TRAIN_ZIP, TEST_ZIP, LABELS_ZIP])
def test_a_truncated_archive_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-40])
    with pytest.raises(DatasetError, match=f"{name}: not a complete zip archive"):
        load_dataset("gtsrb", folder)


def test_a_damaged_member_is_refused(folder: Path) -> None:
    archive = folder / TEST_ZIP
    content = bytearray(archive.read_bytes())
    start = content.index(b"00000.ppm") + len("00000.ppm")
    content[start : start + 4] = b"\xff\xff\xff\xff"
    archive.write_bytes(content)
    with pytest.raises(DatasetError, match=r"00000\.ppm cannot be unpacked"):
        load_dataset("gtsrb", folder)


@pytest.mark.parametrize("name", ["00042/00000_00000.ppm", "00011/GT-00011.csv"])
def test_a_missing_member_is_named(folder: Path, name: str) -> None:
    member = f"GTSRB/Final_Training/Images/{name}"
    change(folder / TRAIN_ZIP, member, None)
    with pytest.raises(DatasetError, match=f"expected the member {member}, got none"):
        load_dataset("gtsrb", folder)


@pytest.mark.parametrize(
    "annotations",
    [
        HEADER.replace(";", ",") + "\r\n00000.ppm,32,32,5,5,27,27,0",
        HEADER + "\r\n00000.ppm;wide;32;5;5;27;27;0",
        HEADER + "\r\n00000.ppm;32",
    ],
)
def test_annotations_of_another_format_are_refused(folder: Path, annotations: str) -> None:
    write_zip(folder / LABELS_ZIP, {"GT-final_test.csv": annotations.encode()})
    with pytest.raises(DatasetError, match="expected lines of Filename;Width;Height"):
        load_dataset("gtsrb", folder)


def test_test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    write_gtsrb(tmp_path, TRAIN, [*TEST, Sign(43)])
    with pytest.raises(DatasetError, match=f"{LABELS_ZIP}: expected labels below 43, got 43"):
        load_dataset("gtsrb", tmp_path)


def test_a_training_label_must_be_its_folders(folder: Path) -> None:
    name = "GTSRB/Final_Training/Images/00042/GT-00042.csv"
    change(folder / TRAIN_ZIP, name, f"{HEADER}\n{Sign(41).row('00000_00000.ppm')}".encode())
    with pytest.raises(DatasetError, match="expected ClassId 42, got 41"):
        load_dataset("gtsrb", folder)


def test_a_picture_of_neither_size_is_refused(tmp_path: Path) -> None:
    write_gtsrb(tmp_path, [Sign(0, (50, 50), annotated=(40, 41))], TEST)
    with pytest.raises(DatasetError, match="expected 40x41 pixels as annotated, or 32x32, got 50x50"):
        load_dataset("gtsrb", tmp_path)


@pytest.mark.parametrize("content", [b"", b"P6\n32 32\n255\n" + bytes(100), Sign(0).ppm()[:2]])
def test_a_picture_that_is_not_complete_is_refused(folder: Path, content: bytes) -> None:
    change(folder / TEST_ZIP, "GTSRB/Final_Test/Images/00000.ppm", content)
    with pytest.raises(DatasetError, match="not a complete PPM image"):
        load_dataset("gtsrb", folder)


def test_only_ppm_is_decoded(folder: Path, tmp_path: Path) -> None:
    png = tmp_path / "sign.png"
    Image.new("RGB", (32, 32)).save(png)
    change(folder / TEST_ZIP, "GTSRB/Final_Test/Images/00000.ppm", png.read_bytes())
    with pytest.raises(DatasetError, match="not a complete PPM image"):
        load_dataset("gtsrb", folder)


def test_a_member_is_never_looked_up_on_the_disk(folder: Path) -> None:
    (folder / "outside.ppm").write_bytes(Sign(0).ppm())
    row = Sign(0).row(str(folder / "outside.ppm"))
    write_zip(folder / LABELS_ZIP, {"GT-final_test.csv": f"{HEADER}\n{row}".encode()})
    with pytest.raises(DatasetError, match=r"expected the member .*outside\.ppm, got none"):
        load_dataset("gtsrb", folder)


def test_a_set_of_nothing_but_small_signs_is_refused(tmp_path: Path) -> None:
    write_gtsrb(tmp_path, [Sign(0, (20, 20))], TEST)
    with pytest.raises(DatasetError, match=f"{TRAIN_ZIP}: expected images, got none"):
        load_dataset("gtsrb", tmp_path)
