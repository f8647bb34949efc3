"""What lies in docs/results is what the committed reports say: no figure of theirs is written by hand."""

from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from tests.docs.shell import ROOT

RESULTS = ROOT / "docs" / "results"
REPORTS = sorted((RESULTS / "reports").glob("*.json"))


def test_the_tables_and_the_entries_are_those_of_the_reports(tmp_path: Path) -> None:
    assert REPORTS
    written = CliRunner().invoke(app, ["evaluate", "report", *map(str, REPORTS), "--paper", "--out", str(tmp_path)])
    assert written.exit_code == 0, written.output
    files = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.suffix in {".md", ".json"}}
    assert Path("robustbench/mnist/L2/e-abs.json") in files
    for file in files:
        assert (tmp_path / file).read_bytes() == (RESULTS / file).read_bytes(), file
    kept = {path.relative_to(RESULTS) for path in RESULTS.rglob("*") if path.is_file()}
    assert {file for file in kept if file.parts[0] != "reports"} == files
