from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from service.bulk.errors import InputError
from service.bulk.sources import Item, Unreadable
from service.bulk.sources.parquet import Parquet

HUGGINGFACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def source_of(folder: Path, **columns: Any) -> Parquet:
    pq.write_table(pa.table(columns), folder / "x.parquet", row_group_size=2)
    return Parquet(folder / "x.parquet")


def test_bytes_are_images_named_by_their_index(tmp_path: Path) -> None:
    source = source_of(tmp_path, image=[b"a", b"b", b"c", b"d", b"e"], label=[3, None, 1, 0, 2])
    assert source.labelled
    assert list(source.items()) == [
        Item("0", b"a", 3),
        Item("1", b"b"),
        Item("2", b"c", 1),
        Item("3", b"d", 0),
        Item("4", b"e", 2),
    ]
    assert list(source.items(3)) == [Item("3", b"d", 0), Item("4", b"e", 2)]


def test_structs_of_bytes_and_path_are_named_by_their_path_and_read_from_it_where_bytes_are_missing(
    tmp_path: Path,
) -> None:
    rows = [{"bytes": b"a", "path": "a.png"}, {"bytes": None, "path": "b.png"}, {"bytes": b"c", "path": None}]
    source = source_of(tmp_path, image=pa.array(rows, HUGGINGFACE))
    assert list(source.items()) == [Item("a.png", b"a"), Item("b.png", tmp_path / "b.png"), Item("2", b"c")]


@pytest.mark.parametrize("column", ["image", "path"])
def test_paths_are_beside_the_file_unless_they_are_absolute(tmp_path: Path, column: str) -> None:
    source = source_of(tmp_path, **{column: ["deep/a.png", "/b.png"]})
    assert list(source.items()) == [Item("deep/a.png", tmp_path / "deep/a.png"), Item("/b.png", Path("/b.png"))]


def test_a_missing_value_is_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    source = source_of(tmp_path, image=pa.array([None, b"b"], pa.binary()))
    first, second = source.items()
    assert isinstance(first.content, Unreadable)
    assert second.content == b"b"


def test_a_file_without_images_is_refused_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got image \(int64\), text \(string\)"):
        source_of(tmp_path, image=[1], text=["a"])
    with pytest.raises(InputError, match="expected at least one row"):
        source_of(tmp_path, image=pa.array([], pa.binary()))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1, but no Parquet")
    with pytest.raises(InputError, match="expected a readable Parquet file"):
        Parquet(tmp_path / "x.parquet")
