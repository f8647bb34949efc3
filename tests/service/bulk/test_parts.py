from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from service.bulk import parts as module
from service.bulk.errors import OutputError
from service.bulk.parts import folder_of, manifest_of, open_parts

SCHEMA = pa.schema([("x", pa.int64())])
MANIFEST: dict[str, Any] = {"input": "a", "model": "b", "drawn": {"seed": 1}}


def table(values: Sequence[int]) -> Any:
    return pa.table({"x": pa.array(values, pa.int64())})


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_PART_ROWS", 4)
    monkeypatch.setattr(module, "_GROUP_ROWS", 5)
    return tmp_path / "out.parquet"


def start(output: Path, *, count: int, manifest: dict[str, Any] = MANIFEST, overwrite: bool = False) -> int:
    """Goes on with rows 0, 1, 2, ... to `count`, two at a time, and does not join them; returns where it began."""
    with open_parts(output, manifest, SCHEMA, overwrite=overwrite) as parts:
        began = parts.rows
        for first in range(began, count, 2):
            parts.append(table([first, first + 1]))
    return began


def finish(output: Path, *, count: int) -> None:
    with open_parts(output, MANIFEST, SCHEMA, overwrite=False) as parts:
        for first in range(parts.rows, count):
            parts.append(table([first]))
        parts.join()


def test_the_output_is_the_same_whatever_the_parts_were(output: Path) -> None:
    finish(output, count=23)
    undisturbed = output.read_bytes()
    output.unlink()
    assert [start(output, count=count) for count in (6, 8, 14)] == [0, 4, 8]
    finish(output, count=23)
    assert output.read_bytes() == undisturbed
    assert pq.read_table(output)["x"].to_pylist() == list(range(23))
    assert pq.read_metadata(output).num_row_groups == 5
    assert not folder_of(output).exists()


def test_the_output_tells_its_run(output: Path) -> None:
    finish(output, count=1)
    assert manifest_of(output) == MANIFEST


def test_what_was_drawn_is_taken_over(output: Path) -> None:
    start(output, count=4)
    with open_parts(output, {**MANIFEST, "drawn": {"seed": 2}}, SCHEMA, overwrite=False) as parts:
        assert parts.manifest["drawn"] == {"seed": 1}


def test_another_run_refuses_to_go_on_and_tells_what_differs(output: Path) -> None:
    other = {**MANIFEST, "model": "c"}
    start(output, count=4)
    with pytest.raises(OutputError, match='same model \\("c"\\), got one of "b"; --overwrite'):
        start(output, count=4, manifest=other)
    finish(output, count=4)
    with pytest.raises(OutputError, match='same model \\("c"\\), got one of "b"; --overwrite'):
        start(output, count=4, manifest=other)
    assert not folder_of(output).exists()
    assert start(output, count=4, manifest=other, overwrite=True) == 0
    assert not output.exists()


def test_another_file_is_left_alone(output: Path) -> None:
    for content in (b"precious", None):
        if content is None:
            pq.write_table(table([1]), output)
        else:
            output.write_bytes(content)
        before = output.read_bytes()
        with pytest.raises(OutputError, match="or one of the same run, got another"):
            start(output, count=4)
        assert output.read_bytes() == before
        assert not folder_of(output).exists()


def test_two_runs_do_not_write_the_same_output(output: Path) -> None:
    with open_parts(output, MANIFEST, SCHEMA, overwrite=False):
        with pytest.raises(OutputError, match="another run is writing it"):
            start(output, count=4, overwrite=True)
        assert folder_of(output).exists()


def test_a_part_that_lost_its_forerunner_is_computed_again(output: Path) -> None:
    start(output, count=12)
    (folder_of(output) / "000000000004.parquet").unlink()
    assert start(output, count=4) == 4
    finish(output, count=12)
    assert pq.read_table(output)["x"].to_pylist() == list(range(12))
