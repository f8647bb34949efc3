import pytest

from tests.training.reports.documents import a_report
from training.attacks.ball import NORMS
from training.reports.paper_figures import TABLES, PaperFigure, paper_figure
from training.reports.rows import CLEAN, PAPER_ROWS, WORST_OF_NORM, Row, further_rows

ALL = {norm: PAPER_ROWS[norm][-1] for norm in NORMS}
BOTH = {"pgd-linf": "1", "pgd-l2": "1"}


@pytest.mark.parametrize("dataset", TABLES)
def test_no_combination_of_attacks_leaves_more_than_one_of_them(dataset: str) -> None:
    for kind in ("cnn", "adv-linf", "adv-l2", "abs", "e-abs"):
        figures = TABLES[dataset].figures[kind]
        for rows in PAPER_ROWS.values():
            cells = [figures[row.key] for row in rows[:-1]]
            # The misprint would leave less than the combination.
            certain = [cell.percent for cell in cells if str(cell) != "0.9?"]
            assert figures[rows[-1].key].percent <= min(certain)


def test_every_table_marks_its_doubtful_cells_and_says_why() -> None:
    doubtful = {
        dataset: sum(cell.doubtful for column in table.figures.values() for cell in column.values())
        for dataset, table in TABLES.items()
    }
    assert doubtful == {"mnist": 2, "fashion_mnist": 1, "supertraffic10": 10, "svhn": 1}
    assert all(bool(table.doubts) == bool(doubtful[dataset]) for dataset, table in TABLES.items())


def test_a_figure_is_found_by_data_set_kind_and_row() -> None:
    report = a_report("1", BOTH, kind="adv-l2", dataset="fashion_mnist", epsilons={"linf": 0.1, "l2": 1.5})
    rows = (CLEAN, PAPER_ROWS["linf"][1], ALL["linf"], PAPER_ROWS["l2"][2], ALL["l2"])
    assert [str(paper_figure(report, row)) for row in rows] == ["87.4", "63.2", "55.7", "63.6", "55.1"]


def test_the_ablation_has_pgd_alone() -> None:
    report = a_report("1", BOTH, kind="dv-abs", dataset="svhn", epsilons={"linf": 8 / 255, "l2": 1.5})
    rows = (CLEAN, PAPER_ROWS["linf"][0], PAPER_ROWS["l2"][0], ALL["linf"])
    assert [paper_figure(report, row) for row in rows] == [*map(PaperFigure, (65.7, 18.9, 14.0)), None]


def test_gradient_free_attacks_on_svhn_have_the_texts_figures() -> None:
    attacks = {"estimated-pgd-linf": "1", "boundary-l2": "1"}
    report = a_report("1", attacks, dataset="svhn", epsilons={"linf": 8 / 255, "l2": 1.5})
    rows = [*further_rows([report], "linf"), *further_rows([report], "l2")]
    assert [str(paper_figure(report, row)) for row in rows] == ["88.0", "92.0?"]


def test_nothing_is_compared_at_another_epsilon() -> None:
    report = a_report("1", BOTH, epsilons={"linf": 0.2, "l2": 1.5})
    assert paper_figure(report, ALL["linf"]) is None
    assert str(paper_figure(report, ALL["l2"])) == "90.4"
    assert str(paper_figure(report, CLEAN)) == "99.4"


@pytest.mark.parametrize(
    ("kind", "dataset", "row"),
    [
        ("e-abs", "folder", CLEAN),
        ("dv-abs", "mnist", CLEAN),
        ("e-abs", "mnist", WORST_OF_NORM["l2"]),
        ("e-abs", "mnist", Row("square-linf", "square-linf", "linf", ("square-linf",))),
    ],
)
def test_what_the_paper_does_not_report_is_not_made_up(kind: str, dataset: str, row: Row) -> None:
    assert paper_figure(a_report("1", BOTH, kind=kind, dataset=dataset), row) is None


def test_a_figure_stands_for_so_many_of_a_thousand_images() -> None:
    assert PaperFigure.parse("17.1").proportion.count == 171
    assert (str(PaperFigure.parse("0")), str(PaperFigure.parse("95.9?"))) == ("0.0", "95.9?")
