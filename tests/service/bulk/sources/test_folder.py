from pathlib import Path

import pytest

from service.bulk.errors import InputError
from service.bulk.sources.folder import Folder
from tests.service.pictures import random_png


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(random_png())


def test_images_come_sorted_by_name_folder_by_folder(tmp_path: Path) -> None:
    write(tmp_path, "b/2.png", "b/10.JPEG", "a.webp", "c.jpg", "b/a/0.png")
    (tmp_path / "notes.txt").write_text("no image")
    source = Folder(tmp_path)
    expected = ["a.webp", "b/10.JPEG", "b/2.png", "b/a/0.png", "c.jpg"]
    assert [item.id for item in source.items()] == expected
    assert [item.id for item in source.items(3)] == expected[3:]
    assert source.count == 5


def test_a_link_in_a_circle_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "again").symlink_to(tmp_path)
    assert Folder(tmp_path).count == 1


def test_a_file_name_that_is_no_text_still_names_its_image(tmp_path: Path) -> None:
    Path(str(tmp_path) + "/\udcff.png").write_bytes(random_png())
    assert [item.id for item in Folder(tmp_path).items()] == ["\\xff.png"]


def test_a_changed_image_changes_the_fingerprint(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png")
    before = Folder(tmp_path).fingerprint
    assert Folder(tmp_path).fingerprint == before
    (tmp_path / "b.png").write_bytes(b"something else")
    assert Folder(tmp_path).fingerprint != before


def test_a_link_to_nowhere_is_an_image_for_which_there_will_be_an_error(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert Folder(tmp_path).count == 1


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match="expected at least one PNG, JPEG or WebP"):
        Folder(tmp_path)
