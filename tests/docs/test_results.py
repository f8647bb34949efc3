"""The tables of docs/results are what the committed reports say: no figure of theirs is written by hand."""

from typer.testing import CliRunner

from cli.main import app
from tests.docs.shell import ROOT

RESULTS = ROOT / "docs" / "results"
REPORTS = sorted((RESULTS / "reports").glob("*.json"))


def test_the_tables_are_those_of_the_reports() -> None:
    assert REPORTS
    printed = CliRunner().invoke(app, ["evaluate", "report", *map(str, REPORTS), "--paper"])
    assert printed.exit_code == 0, printed.output
    assert printed.stdout == (RESULTS / "tables.md").read_text()
