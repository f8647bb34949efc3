from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.datasets.official_files import Box, Sign, btsc_arrays, write_btsc, write_dfg, write_gtsrb
from training.datasets import CLASS_LABELS, DatasetError, load_dataset

GTSRB_IDS = (1, 2, 4, 5, 9, 10, 12, 13, 25, 38)
SAME_MEANING = {10: "Road work", 19: "Yield", 31: "No passing", 61: "Priority road"}
GERMAN, BELGIAN = (10, 20, 30), (40, 50, 60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One German sign of each of the 43 classes and one Belgian of each of the 62; of class 13 a small one too."""
    german = [Sign(label, colour=GERMAN) for label in range(43)] + [Sign(13, (20, 20))]
    belgian = [Sign(label, colour=BELGIAN) for label in range(62)] + [Sign(19, annotated=(20, 20))]
    for name in ("gtsrb", "btsc"):
        (tmp_path / name).mkdir()
    write_gtsrb(tmp_path / "gtsrb", german, german[::-1])
    np.savez(tmp_path / "btsc" / "btsc.npz", **btsc_arrays(belgian, belgian))
    return tmp_path


def test_the_ten_classes_are_called_as_in_gtsrb() -> None:
    assert CLASS_LABELS["supertraffic10"] == tuple(CLASS_LABELS["gtsrb"][label] for label in GTSRB_IDS)


def test_german_signs_of_other_classes_are_left_out(folder: Path) -> None:
    dataset = load_dataset("supertraffic10", folder)
    german = dataset.train.images[:, 0, 0, 0] == GERMAN[0]
    assert dataset.train.labels[german].tolist() == list(range(10))
    german = dataset.test.images[:, 0, 0, 0] == GERMAN[0]
    assert dataset.test.labels[german].tolist() == list(range(9, -1, -1))


def test_belgian_signs_join_the_class_of_the_same_meaning(folder: Path) -> None:
    dataset = load_dataset("supertraffic10", folder)
    for split in (dataset.train, dataset.test):
        belgian = split.images[:, 0, 0, 0] == BELGIAN[0]
        assert [dataset.labels[label] for label in split.labels[belgian]] == list(SAME_MEANING.values())


def test_a_german_and_a_belgian_sign_are_never_the_same_one(folder: Path) -> None:
    train = load_dataset("supertraffic10", folder).train
    assert train.objects is not None
    assert len(train.objects.unique()) == len(train)


def test_the_files_of_both_sets_may_lie_together(folder: Path) -> None:
    before = load_dataset("supertraffic10", folder)
    for file in [*(folder / "gtsrb").iterdir(), folder / "btsc" / "btsc.npz"]:
        file.rename(folder / file.name)
    for name in ("gtsrb", "btsc"):
        (folder / name).rmdir()
    assert load_dataset("supertraffic10", folder).sources == before.sources


def test_every_source_of_both_sets_is_hashed(folder: Path) -> None:
    sources = load_dataset("supertraffic10", folder).sources
    assert len(sources) == 4
    assert all(value.startswith("sha256:") for value in sources.values())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gtsrb/GTSRB_Final_Test_GT.zip", "gtsrb/GTSRB_Final_Test_GT.zip: no such file"),
        ("btsc/btsc.npz", "btsc/BelgiumTSC_Training.zip: no such file, nor btsc.npz"),
    ],
)
def test_a_missing_file_of_either_set_is_named(folder: Path, name: str, message: str) -> None:
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=message):
        load_dataset("supertraffic10", folder)


def test_belgian_signs_are_the_same_from_the_official_archives(folder: Path) -> None:
    before = load_dataset("supertraffic10", folder)
    (folder / "btsc" / "btsc.npz").unlink()
    belgian = [Sign(label, colour=BELGIAN) for label in range(62)]
    write_btsc(folder / "btsc", belgian, belgian)
    after = load_dataset("supertraffic10", folder)
    assert torch.equal(after.train.images, before.train.images)
    assert torch.equal(after.test.labels, before.test.labels)


def test_slovenian_signs_join_the_class_of_the_same_meaning_where_they_are_there(folder: Path) -> None:
    meanings = {
        "II-30-30": "Speed limit 30 km/h",
        "II-30-50": "Speed limit 50 km/h",
        "II-30-70": "Speed limit 70 km/h",
        "II-28": "No passing",
        "III-3": "Priority road",
        "II-1": "Yield",
        "I-19": "Road work",
        "II-47": "Keep right",
    }
    others = [Box("II-30-40", (20, 20, 50, 50)), Box("III-1", (90, 20, 50, 50))]
    signs = [*([Box(category, (20, 20, 50, 50))] for category in meanings), others]
    before = load_dataset("supertraffic10", folder)
    (folder / "dfg").mkdir()
    write_dfg(folder / "dfg", signs, signs)
    dataset = load_dataset("supertraffic10", folder)
    for split, without in ((dataset.train, before.train), (dataset.test, before.test)):
        assert torch.equal(split.images[: len(without)], without.images)
        assert [dataset.labels[label] for label in split.labels[len(without) :]] == list(meanings.values())
    assert len(dataset.sources) == 6
