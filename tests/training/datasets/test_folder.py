import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model_store.images import decode_image
from tests.class_folders import colour, write_class_folders
from tests.service.pictures import animated, huge_png
from training.datasets import Dataset, DatasetError, FolderOptions, load_dataset, to_unit_range
from training.datasets.dataset import Mode
from training.datasets.folder import MIN_IMAGES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eighteen real digits of each of three classes."""
    return write_class_folders(tmp_path / "digits", reach=1)


def load(folder: Path, *, mode: Mode | None = None, seed: int = 0) -> Dataset:
    return load_dataset("folder", folder, FolderOptions(mode, seed))


def contents(dataset: Dataset) -> list[set[bytes]]:
    """The different images of both parts."""
    return [{image.numpy().tobytes() for image in part.images} for part in (dataset.train, dataset.test)]


def test_folders_are_the_classes_and_a_fifth_of_each_is_for_testing(folder: Path) -> None:
    dataset = load(folder)
    assert dataset.labels == ("0", "1", "7")
    assert torch.bincount(dataset.train.labels).tolist() == [14, 14, 14]
    assert torch.bincount(dataset.test.labels).tolist() == [4, 4, 4]
    train, test = contents(dataset)
    assert not train & test
    assert len(train | test) == 54


def test_every_image_has_the_label_of_its_folder(folder: Path) -> None:
    dataset = load(folder)
    for label, name in enumerate(dataset.labels):
        files = {np.asarray(Image.open(path)).tobytes() for path in (folder / name).iterdir()}
        for part in (dataset.train, dataset.test):
            assert {image.numpy().tobytes() for image in part.images[part.labels == label]} <= files


def test_grey_images_are_read_as_they_are(folder: Path) -> None:
    dataset = load(folder)
    assert (dataset.mode, dataset.like) == ("L", "mnist")
    files = {np.asarray(Image.open(path)).tobytes() for path in folder.rglob("*.png")}
    assert set.union(*contents(dataset)) == files


def test_one_image_in_colour_makes_all_colour(folder: Path) -> None:
    path = next((folder / "7").iterdir())
    Image.composite(Image.new("RGB", (28, 28), "red"), Image.new("RGB", (28, 28)), Image.open(path)).save(path)
    dataset = load(folder)
    assert (dataset.mode, dataset.like) == ("RGB", "supertraffic10")
    assert dataset.train.images.shape == (42, 3, 32, 32)


def test_grey_images_in_colour_files_are_grey(folder: Path) -> None:
    for path in sorted(folder.rglob("*.png")):
        Image.open(path).convert("RGB").save(path.with_suffix(".webp"), lossless=True)
        path.unlink()
    assert load(folder).mode == "L"


@pytest.mark.parametrize(("mode", "shape"), [("L", (1, 28, 28)), ("RGB", (3, 32, 32))])
def test_the_mode_may_be_chosen(folder: Path, mode: Mode, shape: tuple[int, ...]) -> None:
    colour(folder)
    assert load(folder, mode=mode).test.images.shape[1:] == shape


def test_images_become_what_the_server_makes_of_them(folder: Path) -> None:
    colour(folder)
    served = torch.stack(
        [
            torch.from_numpy(decode_image(path.read_bytes(), shape=(3, 32, 32), max_pixels=10_000).pixels)
            for path in folder.rglob("*.png")
        ]
    )
    dataset = load(folder)
    for image in to_unit_range(torch.cat([dataset.train.images, dataset.test.images])):
        # Half a step of a byte, and what float32 loses in computing it.
        assert (served - image).abs().amax((1, 2, 3)).min() <= 0.5 / 255 + 1e-6


def test_a_seed_draws_the_split_and_names_have_no_part_in_it(folder: Path) -> None:
    first, again, other = contents(load(folder)), contents(load(folder)), contents(load(folder, seed=1))
    for number, path in enumerate(sorted(folder.rglob("*.png"), reverse=True)):
        path.rename(path.with_name(f"{number}.PNG"))
    assert first == again == contents(load(folder))
    assert first != other


def test_a_copy_of_an_image_counts_once(folder: Path) -> None:
    before = contents(load(folder))
    for path in sorted(folder.rglob("*.png")):
        shutil.copy(path, path.with_name(f"copy-of-{path.name}"))
    dataset = load(folder)
    assert (len(dataset.train), len(dataset.test)) == (42, 12)
    assert contents(dataset) == before


def test_one_hash_stands_for_all_names_and_contents(folder: Path) -> None:
    command = ["bash", "-c", "LC_ALL=C; sha256sum */*"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    first = load(folder).sources
    assert first == {"folder": "sha256:" + hashlib.sha256(printed).hexdigest()}
    path = next((folder / "7").iterdir()).rename(folder / "7" / "renamed.png")
    renamed = load(folder).sources
    path.write_bytes(path.read_bytes() + b"more")
    changed = load(folder).sources
    assert len({str(sources) for sources in (first, renamed, changed)}) == 3


def test_hidden_files_and_what_lies_beside_the_folders_are_left_out(folder: Path) -> None:
    before = load(folder).sources
    (folder / "LICENSE").write_text("free")
    (folder / ".git").mkdir()
    (folder / "7" / ".DS_Store").write_bytes(b"0")
    assert load(folder).sources == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: no such folder; expected one with a folder of images for each"):
        load(tmp_path / "nowhere")


def test_one_class_alone_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "0")
    shutil.rmtree(folder / "7")
    with pytest.raises(DatasetError, match=r"for each of at least two classes, got 1$"):
        load(folder)


@pytest.mark.parametrize("left", [0, MIN_IMAGES - 1])
def test_a_class_of_too_few_images_is_named(folder: Path, left: int) -> None:
    for path in sorted((folder / "7").iterdir())[left:]:
        path.unlink()
    with pytest.raises(DatasetError, match=f"7: expected at least 10 different images of a class, got {left}"):
        load(folder)


def test_the_same_image_in_two_classes_is_refused(folder: Path) -> None:
    path = next((folder / "1").iterdir())
    shutil.copy(path, folder / "7" / "also.png")
    with pytest.raises(DatasetError, match=r"also.png: expected an image of one class, got the one that is .*1.* too"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("cut.png", b"\x89PNG\r\n\x1a\n", "cut.png: expected a complete PNG, got"),
        ("text.jpg", b"hello", "text.jpg: expected PNG, JPEG or WebP, got 5 bytes"),
        ("moving.webp", animated("WEBP"), "moving.webp: expected a still image, got an animation of 3 frames"),
        ("huge.png", huge_png(), "huge.png: expected at most 50000000 pixels, got 30000 x 30000"),
        ("labels.csv", b"a,b", r"labels.csv: expected an image \(.png, .jpg, .jpeg, .webp\) in a class's folder"),
    ],
)
@pytest.mark.parametrize("mode", ["L", None])
def test_a_file_that_is_no_image_is_named(
    folder: Path, name: str, data: bytes, message: str, mode: Mode | None
) -> None:
    (folder / "1" / name).write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        load(folder, mode=mode)


def test_a_folder_in_a_class_is_named(folder: Path) -> None:
    (folder / "1" / "more").mkdir()
    with pytest.raises(DatasetError, match="more: expected an image"):
        load(folder)


def test_a_class_whose_name_cannot_be_shown_is_refused(folder: Path) -> None:
    (folder / "7").rename(folder / "seven\n")
    with pytest.raises(DatasetError, match="expected a class's name in printable characters"):
        load(folder)
