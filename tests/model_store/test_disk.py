import os
import time
from pathlib import Path

import pytest

from model_store import disk


def test_a_folder_appears_with_its_files(tmp_path: Path) -> None:
    disk.add_folder(tmp_path / "1", {"a": b"x", "b": b"y"})

    assert [(file.name, file.read_bytes()) for file in sorted((tmp_path / "1").iterdir())] == [("a", b"x"), ("b", b"y")]
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_folder_never_replaces_what_is_there(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "1"
    if kind == "file":
        target.write_bytes(b"old")
    else:
        disk.add_folder(target, {"a": b"old"})

    with pytest.raises(FileExistsError):
        disk.add_folder(target, {"a": b"new"})

    assert (target if kind == "file" else target / "a").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(FileNotFoundError):
        disk.add_folder(tmp_path / "1", {"missing/a": b"x"})
    with pytest.raises(IsADirectoryError):
        disk.replace_file(tmp_path / "taken", b"x")

    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_removed_folder_that_is_a_link_leaves_its_target_alone(tmp_path: Path) -> None:
    disk.add_folder(tmp_path / "1", {"a": b"x"})
    (tmp_path / "2").symlink_to("1")

    disk.remove_folder(tmp_path / "2")

    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]
    assert (tmp_path / "1" / "a").read_bytes() == b"x"


def test_sweeping_removes_old_left_overs_only(tmp_path: Path) -> None:
    old = time.time() - disk.LEFT_OVER_AGE - 60
    for name in (".publishing-old", ".deleted-old", ".publishing-young", "1", ".snapshot"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / ".replacing-old").touch()
    for entry in tmp_path.iterdir():
        if "young" not in entry.name:
            os.utime(entry, (old, old))

    disk.sweep(tmp_path)

    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".publishing-young", ".snapshot", "1"]


def test_sweeping_does_not_mind_a_writer_that_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".replacing-gone").touch()
    entries = list(tmp_path.iterdir())
    (tmp_path / ".replacing-gone").unlink()
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(entries))

    disk.sweep(tmp_path)


def test_the_lock_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic links"), disk.locked(tmp_path):
        pass

    assert not (tmp_path / "elsewhere").exists()
