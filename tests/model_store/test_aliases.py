import pytest

from model_store.aliases import aliases_from_bytes, aliases_to_bytes
from model_store.errors import InvalidAliases


def test_written_aliases_are_read_sorted() -> None:
    data = aliases_to_bytes({"staging": "2", "production": "1"})

    assert list(aliases_from_bytes(data).items()) == [("production", "1"), ("staging", "2")]


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"production": 1}', '{"production": "../2"}', '{"Prod": "1"}', '{"production": null}', "\xff"],
)
def test_a_file_that_maps_no_names_to_names_is_refused(content: str) -> None:
    with pytest.raises(InvalidAliases, match=r"shapes/aliases\.json"):
        aliases_from_bytes(content.encode("latin-1"), file="shapes/aliases.json")
