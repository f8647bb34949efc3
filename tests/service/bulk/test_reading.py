import os
from pathlib import Path

import numpy as np
import pytest

from service.bulk.reading import read_item
from service.bulk.sources import Item, Unreadable
from service.errors import Invalid, Malformed, ServiceError, TooLarge
from service.settings import Settings
from tests.service.pictures import png, random_pixels

SHAPE = (1, 28, 28)
SETTINGS = Settings()


def test_equal_pixels_are_the_same_image_whatever_they_came_in(tmp_path: Path) -> None:
    pixels = random_pixels()
    (tmp_path / "a.png").write_bytes(png(pixels))
    floats = pixels.astype(np.float32) / np.float32(255)
    contents = [png(pixels), tmp_path / "a.png", pixels, pixels[None], floats, floats[None].astype(np.float64)]
    found = {read_item(Item("x", content), shape=SHAPE, settings=SETTINGS).identity for content in contents}
    assert len(found) == 1


@pytest.mark.parametrize("bad", [-0.5, 1.5, np.nan, np.inf])
def test_floats_out_of_range_are_refused(bad: float) -> None:
    pixels = np.zeros((28, 28), np.float32)
    pixels[3, 4] = bad
    with pytest.raises(Invalid, match=r"expected numbers in \[0, 1\], got"):
        read_item(Item("x", pixels), shape=SHAPE, settings=SETTINGS)


def test_another_shape_is_refused() -> None:
    with pytest.raises(Invalid, match=r"expected shape \(3, 32, 32\), got \(32, 32\)"):
        read_item(Item("x", np.zeros((32, 32), np.uint8)), shape=(3, 32, 32), settings=SETTINGS)


def test_what_is_no_file_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, message in {
        tmp_path / "pipe": "expected a file",
        tmp_path / "gone": "No such file",
        Path("a\0b"): "null",
    }.items():
        with pytest.raises(Malformed, match=message):
            read_item(Item("x", path), shape=SHAPE, settings=SETTINGS)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    small = SETTINGS.model_copy(update={"max_body_bytes": 10})
    (tmp_path / "a.png").write_bytes(png(random_pixels()))
    for content in (tmp_path / "a.png", png(random_pixels())):
        with pytest.raises(TooLarge, match="expected at most 10 bytes"):
            read_item(Item("x", content), shape=SHAPE, settings=small)


def test_what_the_input_does_not_have_is_told() -> None:
    with pytest.raises(ServiceError, match="nothing there"):
        read_item(Item("x", Unreadable("nothing there")), shape=SHAPE, settings=SETTINGS)
