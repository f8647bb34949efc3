from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.evaluate.attacked_figure import FOOLED, PictureRow, as_picture, draw_attacked

RED = tuple(bytes.fromhex(FOOLED[1:]))


def grid(path: Path, answers: list[str | None] | None, *, channels: int = 1) -> np.ndarray:
    """A row of two clean and one of two attacked images, drawn: (height, width, 3)."""
    clean = np.zeros((2, channels, 28, 28), dtype=np.float32)
    rows = [PictureRow("clean", "", clean, ["7", "2"]), PictureRow("pgd", "L2 1.5", clean + 0.6, answers)]
    draw_attacked("A title", ["7", "2"], rows, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def squares(page: np.ndarray, colour: tuple[int, ...]) -> int:
    """How many pictures of 84 by 84 pixels are of this colour throughout."""
    return int((page == colour).all(axis=2).sum()) // 84**2


def test_every_image_is_there_three_times_enlarged(tmp_path: Path) -> None:
    page = grid(tmp_path / "grid.png", ["7", "2"])
    assert squares(page, (0, 0, 0)) == 2
    assert squares(page, (153, 153, 153)) == 2


def test_a_frame_says_which_answers_are_wrong(tmp_path: Path) -> None:
    # A frame three pixels wide around a picture.
    frame = (84 + 6) ** 2 - 84**2

    def red(answers: list[str | None] | None) -> int:
        return int((grid(tmp_path / "grid.png", answers) == RED).all(axis=2).sum())

    assert red(["7", "2"]) == red([None, None]) == red(None) == 0
    one, two = red(["3", "2"]), red(["3", "3"])
    assert frame <= one < frame + 60
    assert two == 2 * one


def test_who_was_not_attacked_has_a_dash_and_who_was_not_asked_has_nothing(tmp_path: Path) -> None:
    dashes, nothing = grid(tmp_path / "grid.png", [None, None]), grid(tmp_path / "grid.png", None)
    assert dashes.shape == nothing.shape
    assert (dashes != nothing).any()


def test_the_page_is_white_and_opaque_so_that_it_reads_on_dark_pages_too(tmp_path: Path) -> None:
    page = grid(tmp_path / "grid.png", ["7", "2"])
    assert (page[0] == 255).all()
    with Image.open(tmp_path / "grid.png") as image:
        assert image.mode == "RGB"


def test_a_long_label_does_not_reach_into_the_next_column(tmp_path: Path) -> None:
    images = np.zeros((2, 3, 32, 32), dtype=np.float32)
    label = "a sign that says much more than there is room for"
    draw_attacked("t", [label, ""], [PictureRow("clean", "", images, [label, ""])], tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as image:
        page = np.asarray(image)
    black = np.flatnonzero((page == 0).all(axis=2).any(axis=0))
    first, second = black[0], black[0] + 96 + 10
    labels = page[42:60]
    assert (labels[:, first:second] < 128).any()
    assert (labels[:, second:] == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_keep_their_levels(channels: int) -> None:
    levels = np.arange(channels * 4, dtype=np.uint8).reshape(channels, 2, 2) * 20
    picture = np.asarray(as_picture((levels / np.float32(255)).astype(np.float32)))
    assert (picture == (levels[0] if channels == 1 else np.moveaxis(levels, 0, 2))).all()
