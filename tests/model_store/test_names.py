from pathlib import Path

import pytest

from model_store.errors import InvalidName
from model_store.names import check_name, is_name, natural_key, path_below


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "1", "0..1", "v1.2-rc.3", "a" * 64])
def test_a_name_of_safe_characters_is_accepted(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../mnist",
        "a/b",
        "a\\b",
        "/etc",
        ".hidden",
        "-flag",
        "_private",
        "Mnist",
        "mnist\n",
        "mnist\0",
        "m nist",
        "%2e%2e",
        "é",
        "١",
        "a" * 65,
    ],
)
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="expected a name"):
        check_name(name)


def test_the_name_of_the_alias_file_is_refused() -> None:
    assert not is_name("aliases.json")


def test_a_path_below_the_root_is_resolved(tmp_path: Path) -> None:
    assert path_below(tmp_path, "mnist", "1") == tmp_path.resolve() / "mnist" / "1"


@pytest.mark.parametrize("parts", [("..",), ("mnist", "..", ".."), ("/etc",), ("mnist", "/etc/passwd"), (".",)])
def test_a_path_that_leaves_the_root_is_refused(tmp_path: Path, parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidName, match="leaves the store"):
        path_below(tmp_path, *parts)


def test_a_neighbour_whose_name_starts_like_the_root_is_outside(tmp_path: Path) -> None:
    with pytest.raises(InvalidName, match="leaves the store"):
        path_below(tmp_path / "store", "../store-of-another")


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "mnist").symlink_to(tmp_path)

    with pytest.raises(InvalidName, match="leaves the store"):
        path_below(root, "mnist")


def test_a_link_within_the_root_is_followed(tmp_path: Path) -> None:
    (tmp_path / "mnist").symlink_to(tmp_path / "digits")

    assert path_below(tmp_path, "mnist", "1") == tmp_path.resolve() / "digits" / "1"


def test_a_root_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "models")

    assert path_below(tmp_path / "link", "mnist") == tmp_path.resolve() / "models" / "mnist"


def test_a_path_below_the_root_need_not_exist(tmp_path: Path) -> None:
    assert not path_below(tmp_path / "models", "mnist").exists()


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist").symlink_to(tmp_path / "mnist")

    with pytest.raises(InvalidName, match="cannot be resolved"):
        path_below(tmp_path, "mnist")


def test_names_sort_as_people_count() -> None:
    shuffled = ["v2", "10", "beta", "2", "v1.10", "10.1", "1", "v1.9"]

    assert sorted(shuffled, key=natural_key) == ["1", "2", "10", "10.1", "beta", "v1.9", "v1.10", "v2"]


def test_equal_numbers_still_have_one_order() -> None:
    assert sorted(["1", "01"], key=natural_key) == sorted(["01", "1"], key=natural_key)
