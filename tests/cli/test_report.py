import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.conftest import Eabs
from tests.training.reports.documents import report_document

LINF = ("pgd-linf", "deepfool-linf", "noise-linf")


def written(folder: Path, **options: object) -> Path:
    """A report with its attacked images, in a folder of its own as `evaluate robustness` leaves it."""
    folder.mkdir(parents=True)
    attacks = dict.fromkeys(LINF, "110")
    curves = {"linf": ("111", "110")}
    document = report_document("111", attacks, curves=curves, **options)  # type: ignore[arg-type]
    path = folder / "report.json"
    path.write_text(json.dumps(document | {"images": "attacked.safetensors"}))
    pixels = np.zeros((2, 1, 28, 28), dtype=np.float32)
    save_file(dict.fromkeys(("clean", *LINF), pixels), folder / "attacked.safetensors")
    return path


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    return [written(tmp_path / kind, kind=kind) for kind in ("e-abs", "cnn")]


def test_the_tables_are_printed_as_markdown(eabs: Eabs, reports: list[Path]) -> None:
    outcome = eabs("evaluate", "report", *reports)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("## MNIST (Linf 0.3)\n\n| Accuracy, % | CNN | E-ABS |\n")
    assert "paper" not in outcome.out.partition("\n\n")[2].partition("The test images")[0]


def test_the_papers_figures_are_there_when_asked_for(eabs: Eabs, reports: list[Path]) -> None:
    out = eabs("evaluate", "report", *reports, "--paper").out
    assert "| Clean | 100.0 [43.9, 100.0]; paper 99.5 | 100.0 [43.9, 100.0]; paper 99.4 |" in out
    assert "### Gaps of more than 3 points to the paper" in out


def test_a_folder_gets_tables_figures_and_entries(eabs: Eabs, reports: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "made" / "out"
    outcome = eabs("evaluate", "report", *reports, "--out", out)
    assert (outcome.code, outcome.out) == (0, ""), outcome.err
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {
        "tables.md",
        "curves-mnist.png",
        "attacked-mnist-cnn.png",
        "attacked-mnist-e-abs.png",
        "attacked-mnist-pgd-linf.png",
        "robustbench/mnist/Linf/cnn.json",
        "robustbench/mnist/Linf/e-abs.json",
    }
    assert all(file in outcome.err for file in files)
    assert (out / "tables.md").read_text() == eabs("evaluate", "report", *reports).out
    assert json.loads((out / "robustbench" / "mnist" / "Linf" / "cnn.json").read_text())["external"] == "66.67"


def test_the_figures_are_printed_as_json(eabs: Eabs, reports: list[Path], tmp_path: Path) -> None:
    (found,) = json.loads(eabs("evaluate", "report", *reports, "--json", "--out", tmp_path / "out").out)
    assert found["accuracy"]["all-linf"]["CNN"]["count"] == 2
    assert (tmp_path / "out" / "tables.md").exists()


def test_every_data_set_has_a_section_of_its_own(eabs: Eabs, reports: list[Path], tmp_path: Path) -> None:
    other = written(tmp_path / "fashion", dataset="fashion_mnist")
    out = eabs("evaluate", "report", *reports, other).out
    assert [line for line in out.splitlines() if line.startswith("## ")] == [
        "## MNIST (Linf 0.3)",
        "## Fashion-MNIST (Linf 0.3)",
    ]


def test_models_on_other_images_are_refused_unless_only_common_ones_are_asked_for(
    eabs: Eabs, reports: list[Path]
) -> None:
    document = json.loads(reports[1].read_text())
    reports[1].write_text(json.dumps(document | {"indices": [101, 102, 900]}))
    outcome = eabs("evaluate", "report", *reports)
    assert outcome.code == 1
    assert "CNN and E-ABS cannot be compared: indices: expected the same images" in outcome.err
    outcome = eabs("evaluate", "report", *reports, "--common-images")
    assert outcome.code == 0, outcome.err
    assert "| Images | 2 | 2 |" in outcome.out


def test_several_suites_of_one_model_stand_in_one_column(eabs: Eabs, reports: list[Path], tmp_path: Path) -> None:
    more = tmp_path / "more.json"
    more.write_text(json.dumps(report_document("111", {"square-linf": "001"}, kind="e-abs")))
    outcome = eabs("evaluate", "report", *reports, more, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    tables = (tmp_path / "out" / "tables.md").read_text()
    assert "| square-linf | - | 33.3 [6.1, 79.2] |" in tables
    assert "| **Worst case Linf** | 66.7 [20.8, 93.9] | 0.0 [0.0, 56.1] |" in tables


def test_the_same_report_twice_is_refused(eabs: Eabs, reports: list[Path]) -> None:
    outcome = eabs("evaluate", "report", reports[0], reports[0].parent / ".." / "e-abs" / "report.json")
    assert outcome.code == 1
    assert "attacks.pgd-linf: expected in one of its reports, got in two" in outcome.err


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{}", "subject: Field required (and "), ("nonsense", "Invalid JSON"), (None, "No such file")],
)
def test_a_file_that_is_no_report_ends_the_command(
    eabs: Eabs, reports: list[Path], tmp_path: Path, content: str | None, complaint: str
) -> None:
    foreign = tmp_path / "foreign.json"
    if content is not None:
        foreign.write_text(content)
    outcome = eabs("evaluate", "report", *reports, foreign)
    assert outcome.code == 1
    assert f"{foreign}: {complaint}" in outcome.err


def test_pictures_that_are_gone_end_the_command_only_where_they_are_drawn(
    eabs: Eabs, reports: list[Path], tmp_path: Path
) -> None:
    (reports[0].parent / "attacked.safetensors").unlink()
    assert eabs("evaluate", "report", *reports).code == 0
    outcome = eabs("evaluate", "report", *reports, "--out", tmp_path / "out")
    assert outcome.code == 1
    assert "expected the attacked images of the report" in outcome.err


def test_a_folder_that_cannot_be_made_ends_the_command(eabs: Eabs, reports: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = eabs("evaluate", "report", *reports, "--out", tmp_path / "file" / "out")
    assert outcome.code == 1
    assert f"{tmp_path / 'file' / 'out'}: Not a directory" in outcome.err


def test_no_report_is_a_usage_error(eabs: Eabs) -> None:
    assert eabs("evaluate", "report").code == 2
