import json
from pathlib import Path

import pytest

from tests.training.datasets.official_files import Box, read_zip, write_dfg, write_photographs, write_zip
from training.datasets import DatasetError, Split
from training.datasets.dfg import ANNOTATIONS, PHOTOGRAPHS, read_dfg
from training.datasets.source_files import SourceFiles

LABELS = {"II-1": 3, "III-3": 0}
YIELD = Box("II-1", (40, 20, 60, 60))
TRAIN = [[Box("III-3", (10, 10, 40, 40)), Box("I-1", (60, 10, 40, 40)), Box("II-1", (120, 10, 50, 50))], [YIELD]]
JSON = "DFG-tsd-annot-json/train.json"


def read(folder: Path) -> tuple[Split, Split]:
    return read_dfg(SourceFiles(folder), LABELS)


def test_signs_of_the_wanted_categories_are_cut_out_in_the_annotations_order(tmp_path: Path) -> None:
    write_dfg(tmp_path, TRAIN, [[YIELD]])
    train, test = read(tmp_path)
    assert train.labels.tolist() == [0, 3, 3]
    assert test.labels.tolist() == [3]
    assert train.images.shape == (3, 3, 32, 32)


def test_a_cut_has_the_sign_in_its_middle_and_a_margin_of_a_tenth(tmp_path: Path) -> None:
    write_dfg(tmp_path, [[Box("II-1", (40, 20, 50, 50))]], [[YIELD]], size=(200, 100))
    image = read(tmp_path)[0].images[0]
    red = (image[0] > 164) & (image[1] < 64)
    # 50 of 60 pixels are the sign, of 32 about 27.
    assert red.sum(0).max().item() in {26, 27}
    assert red.sum(1).max().item() in {26, 27}
    assert not red[[0, 1, 30, 31]].any()
    assert not red[:, [0, 1, 30, 31]].any()
    assert red[3:29, 3:29].all()


@pytest.mark.parametrize(
    ("box", "labels"), [((50, 30, 22, 22), [3, 0]), ((50, 30, 21, 40), [3]), ((50, 30, 40, 21), [3])]
)
def test_cuts_smaller_than_32_on_either_side_are_left_out(
    tmp_path: Path, box: tuple[float, float, float, float], labels: list[int]
) -> None:
    write_dfg(tmp_path, [[YIELD, Box("III-3", box)]], [[YIELD]])
    assert read(tmp_path)[0].labels.tolist() == labels


def test_a_margin_ends_at_the_photographs_edge(tmp_path: Path) -> None:
    write_dfg(tmp_path, [[Box("II-1", (0, 0, 27, 27)), Box("II-1", (174, 60, 26, 40))]], [[YIELD]])
    train, _ = read(tmp_path)
    assert len(train) == 1
    assert train.images[0, 0, 0, 0] > 164


def test_signs_that_the_owners_ignore_are_left_out(tmp_path: Path) -> None:
    write_dfg(tmp_path, [[YIELD, Box("III-3", (110, 20, 60, 60), ignore=True)]], [[YIELD]])
    assert read(tmp_path)[0].labels.tolist() == [3]


@pytest.mark.parametrize("name", [ANNOTATIONS, PHOTOGRAPHS])
def test_a_missing_archive_is_named(tmp_path: Path, name: str) -> None:
    write_dfg(tmp_path, TRAIN, TRAIN)
    (tmp_path / name).unlink()
    with pytest.raises(DatasetError, match=f"{name}: no such file"):
        read(tmp_path)


@pytest.mark.parametrize(("name", "kind"), [(ANNOTATIONS, "zip"), (PHOTOGRAPHS, "tar.bz2")])
@pytest.mark.parametrize("kept", [0, 100, -40])
def test_a_truncated_archive_is_refused(tmp_path: Path, name: str, kind: str, kept: int) -> None:
    write_dfg(tmp_path, TRAIN, TRAIN)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:kept])
    with pytest.raises(DatasetError, match=f"not a complete {kind} archive"):
        read(tmp_path)


def test_a_missing_photograph_is_named(tmp_path: Path) -> None:
    write_dfg(tmp_path, TRAIN, TRAIN)
    write_photographs(tmp_path / PHOTOGRAPHS, {})
    with pytest.raises(DatasetError, match=r"expected the photograph test-0000000\.jpg, got none"):
        read(tmp_path)


def test_a_photograph_that_is_not_complete_is_refused(tmp_path: Path) -> None:
    write_dfg(tmp_path, [[YIELD]], [[YIELD]])
    write_photographs(tmp_path / PHOTOGRAPHS, {"train-0000000.jpg": b"\xff\xd8\xff"})
    with pytest.raises(DatasetError, match=r"train-0000000\.jpg: not a complete JPEG image"):
        read(tmp_path)


def test_annotations_without_a_part_are_refused(tmp_path: Path) -> None:
    write_dfg(tmp_path, TRAIN, TRAIN)
    write_zip(tmp_path / ANNOTATIONS, {JSON: read_zip(tmp_path / ANNOTATIONS)[JSON]})
    with pytest.raises(DatasetError, match=r"expected one test\.json, got none"):
        read(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"annotations": [{"image_id": 0, "category_id": 0, "bbox": [1, 2, 3]}]},
        {"annotations": [{"image_id": 0, "category_id": 0, "bbox": [1, 2, float("nan"), 4]}]},
        {"annotations": [{"image_id": 0, "category_id": 99, "bbox": [1, 2, 3, 4]}]},
        {"images": []},
        {"categories": {}},
    ],
)
def test_annotations_of_another_format_are_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    write_dfg(tmp_path, TRAIN, TRAIN)
    members = read_zip(tmp_path / ANNOTATIONS)
    write_zip(tmp_path / ANNOTATIONS, members | {JSON: json.dumps(json.loads(members[JSON]) | changed).encode()})
    with pytest.raises(
        DatasetError, match=r"train\.json: expected images, categories and annotations as COCO has them"
    ):
        read(tmp_path)


def test_a_set_without_a_sign_of_the_ten_is_refused(tmp_path: Path) -> None:
    write_dfg(tmp_path, [[Box("I-1", (10, 10, 40, 40))]], [[YIELD]])
    with pytest.raises(DatasetError, match=f"{PHOTOGRAPHS}: train: expected images, got none"):
        read(tmp_path)
