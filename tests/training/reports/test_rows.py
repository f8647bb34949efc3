from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.reports.documents import a_report, outcomes
from training.attacks.ball import NORMS
from training.reports.rows import CLEAN, PAPER_ATTACKS, PAPER_ROWS, WORST, WORST_OF_NORM, rows_of

LINF = {"pgd-linf": "101100", "deepfool-linf": "011110", "noise-linf": "111111"}
L2 = {"pgd-l2": "101010", "ddn-l2": "111010", "cw-l2": "111110", "deepfool-l2": "111111", "noise-l2": "111111"}
BEYOND = {"square-linf": "110100", "unrolled-l2": "001000"}


def test_the_combination_is_what_withstands_each_attack_of_the_paper_and_is_right_when_clean() -> None:
    report = a_report("111101", LINF | L2 | BEYOND)
    everything = {norm: PAPER_ROWS[norm][-1].outcomes(report) for norm in NORMS}
    assert everything["linf"].tolist() == outcomes("001100")  # type: ignore[union-attr]
    assert everything["l2"].tolist() == outcomes("101000")  # type: ignore[union-attr]


def test_the_worst_case_is_of_every_attack_there_is() -> None:
    report = a_report("111101", LINF | L2 | BEYOND)
    worst = {norm: WORST_OF_NORM[norm].outcomes(report) for norm in NORMS}
    assert worst["linf"].tolist() == outcomes("000100")  # type: ignore[union-attr]
    assert worst["l2"].tolist() == outcomes("001000")  # type: ignore[union-attr]
    assert WORST.accuracy(report).count == 0  # type: ignore[union-attr]


def test_an_image_that_is_wrong_when_clean_withstands_nothing() -> None:
    report = a_report("0111", {"noise-linf": "1111"})
    assert PAPER_ROWS["linf"][2].accuracy(report).count == 3  # type: ignore[union-attr]


def test_a_row_of_an_attack_that_was_not_run_is_empty() -> None:
    report = a_report("1111", {"pgd-linf": "1111"})
    assert [row.accuracy(report) is None for row in PAPER_ROWS["linf"]] == [False, True, True, True]
    assert WORST_OF_NORM["l2"].accuracy(report) is None


def test_without_an_attack_there_is_no_worst_case() -> None:
    assert WORST.accuracy(a_report("1111")) is None


def test_further_attacks_stand_below_the_papers_and_above_the_worst_case() -> None:
    reports = [a_report("1", {"square-linf": "1", "pgd-linf": "1"}), a_report("1", {"apgd-linf": "1", "pgd-l2": "1"})]
    assert [row.key for row in rows_of(reports, "linf")] == [
        "pgd-linf",
        "deepfool-linf",
        "noise-linf",
        "all-linf",
        "square-linf",
        "apgd-linf",
        "worst-linf",
    ]
    assert rows_of([a_report("1", {"pgd-linf": "1"})], "l2") == []


@settings(max_examples=50)
@given(st.data())
def test_no_worst_case_is_above_what_any_attack_leaves(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    answers = st.text("01", min_size=count, max_size=count)
    names = [name for norm in NORMS for name in PAPER_ATTACKS[norm]] + ["square-linf", "unrolled-l2"]
    report = a_report(data.draw(answers), {name: data.draw(answers) for name in names})
    clean = CLEAN.accuracy(report)
    for norm in NORMS:
        *rows, worst = rows_of([report], norm)
        found = worst.accuracy(report)
        for row in (*rows, CLEAN):
            assert found.count <= row.accuracy(report).count <= clean.count  # type: ignore[union-attr]
        assert WORST.accuracy(report).count <= found.count  # type: ignore[union-attr]


def test_a_rows_full_title_says_its_norm() -> None:
    assert [row.full_title for row in (CLEAN, PAPER_ROWS["l2"][1], WORST)] == ["Clean", "DDN L2", "Worst case of all"]
