import json
import sys
from pathlib import Path

import pytest
from pyarrow import parquet as pq

from tests.cli.conftest import Eabs

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "7.png").symlink_to(EXAMPLES / "mnist-7-a.png")
    (folder / "text.png").write_text("no image")
    return folder


def test_images_are_scored_and_a_bad_one_is_no_failure(eabs: Eabs, store: Path, images: Path, tmp_path: Path) -> None:
    command = ("classify", "--input", images, "--output", tmp_path / "out.parquet", "--store", store)
    first = eabs(*command, "--json")
    assert first.code == 0, first.err
    summary = json.loads(first.out)
    assert (summary["images"], summary["errors"], summary["predicted"], summary["resumed"]) == (2, 1, 1, 0)
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == ["7.png", "text.png"]
    again = eabs(*command)
    assert again.code == 0
    assert str(tmp_path / "out.parquet") in again.out


def test_another_run_over_the_same_output_fails_unless_told_to(
    eabs: Eabs, store: Path, images: Path, tmp_path: Path
) -> None:
    command = ("classify", "--input", images, "--output", tmp_path / "out.parquet", "--store", store)
    assert eabs(*command).code == 0
    refused = eabs(*command, "--effort", "fast")
    assert refused.code == 1
    assert "same options" in refused.err
    assert eabs(*command, "--effort", "fast", "--overwrite").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--input", EXAMPLES),
        ("--output", "out.parquet", EXAMPLES / "mnist-7-a.png"),
        ("--input", EXAMPLES, "--output", "out.parquet", EXAMPLES / "mnist-7-a.png"),
        ("--input", EXAMPLES, "--output", "out.parquet", "--figure", "figure.png"),
        ("--input", EXAMPLES, "--output", "nowhere/out.parquet"),
        ("--input", "nowhere", "--output", "out.parquet"),
        ("--overwrite", EXAMPLES / "mnist-7-a.png"),
        ("--ray", EXAMPLES / "mnist-7-a.png"),
    ],
)
def test_a_call_that_makes_no_sense_is_a_usage_error(eabs: Eabs, arguments: tuple[object, ...]) -> None:
    assert eabs("classify", *arguments).code == 2


def test_an_input_that_is_none_fails(eabs: Eabs, store: Path, tmp_path: Path) -> None:
    outcome = eabs("classify", "--input", __file__, "--output", tmp_path / "out.parquet", "--store", store)
    assert outcome.code == 1
    assert "expected a folder, an .npz or a .parquet file" in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("missing", "extra", "options"), [("pyarrow", "bulk", []), ("ray", "ray", ["--ray"])])
def test_the_extra_that_is_missing_is_named(
    eabs: Eabs,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    extra: str,
    options: list[str],
) -> None:
    for name in [name for name in sys.modules if name.startswith("service.bulk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    command = ("classify", "--input", EXAMPLES, "--output", tmp_path / "out.parquet", "--store", store)
    outcome = eabs(*command, *options)
    assert outcome.code == 1
    assert f"pip install 'eabs-server[{extra}]'" in outcome.err
