from pathlib import Path

import pytest

from model_store.aliases import aliases_to_bytes, read_aliases
from model_store.errors import InvalidAliases


def test_a_model_without_the_file_has_no_aliases(tmp_path: Path) -> None:
    assert read_aliases(tmp_path / "aliases.json") == {}


def test_written_aliases_are_read_sorted(tmp_path: Path) -> None:
    file = tmp_path / "aliases.json"
    file.write_bytes(aliases_to_bytes({"staging": "2", "production": "1"}))

    assert list(read_aliases(file).items()) == [("production", "1"), ("staging", "2")]


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"production": 1}', '{"production": "../2"}', '{"Prod": "1"}', '{"production": null}', "\xff"],
)
def test_a_file_that_maps_no_names_to_names_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "aliases.json"
    file.write_bytes(content.encode("latin-1"))

    with pytest.raises(InvalidAliases, match=f"{tmp_path.name}/aliases.json"):
        read_aliases(file)
