from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bulk.errors import InputError
from service.bulk.sources.npz import Npz
from tests.service.pictures import random_pixels


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("start", [0, 3, 7])
def test_images_and_labels_come_from_any_index_on(tmp_path: Path, save: Callable[..., None], start: int) -> None:
    images, labels = random_pixels(0, (7, 28, 28)), np.arange(7, dtype=np.int8)
    save(tmp_path / "x.npz", images=images, labels=labels)
    source = Npz(tmp_path / "x.npz")
    items = list(source.items(start))
    assert (source.count, source.labelled, source.image_shape) == (7, True, (28, 28))
    assert [(item.id, item.target) for item in items] == [(str(index), index) for index in range(start, 7)]
    for item, image in zip(items, images[start:], strict=True):
        np.testing.assert_array_equal(item.content, image)


def test_rows_are_right_across_the_pieces_that_are_read(tmp_path: Path) -> None:
    images = np.arange(9 * 400 * 400, dtype="<f4").reshape(9, 400, 400)
    np.savez(tmp_path / "x.npz", images=images)
    found = [item.content for item in Npz(tmp_path / "x.npz").items(1)]
    np.testing.assert_array_equal(np.stack(found), images[1:])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no array of this name": ({"pictures": np.zeros((1, 2, 2))}, "expected an array 'images', got pictures.npy"),
    "flat": ({"images": np.zeros((3, 4))}, r"expected \(N, H, W\)"),
    "empty": ({"images": np.zeros((0, 28, 28))}, r"expected \(N, H, W\)"),
    "integers": ({"images": np.zeros((1, 2, 2), np.int64)}, "expected uint8, or floats"),
    "objects": ({"images": np.array([[[None]]])}, "expected numbers in C order, got object"),
    "by columns": ({"images": np.zeros((2, 3, 4)).T}, "expected numbers in C order"),
    "labels too few": ({"images": np.zeros((2, 2, 2)), "labels": np.zeros(1, int)}, "labels: expected 2 integers"),
    "labels as floats": ({"images": np.zeros((2, 2, 2)), "labels": np.zeros(2)}, "labels: expected 2 integers"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_arrays_are_refused(tmp_path: Path, name: str) -> None:
    arrays, message = BAD[name]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(InputError, match=message):
        Npz(tmp_path / "x.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"PK, but no zip")
    with pytest.raises(InputError, match=r"expected a whole \.npz"):
        Npz(tmp_path / "x.npz")


def test_damage_inside_is_told_when_it_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, images=random_pixels(0, (50, 28, 28)))
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="expected a whole"):
        list(Npz(path).items())
