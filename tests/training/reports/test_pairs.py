import pytest

from tests.training.reports.documents import a_report
from training.reports.mcnemar import McNemar
from training.reports.pairs import compare_pairs
from training.reports.rows import PAPER_ATTACKS


def attacked(text: str, **further: str) -> dict[str, str]:
    return dict.fromkeys(PAPER_ATTACKS["linf"], text) | {name.replace("_", "-"): one for name, one in further.items()}


def test_every_pair_is_tested_clean_and_under_the_papers_attacks() -> None:
    reports = {name: a_report("1" * 20, attacked("1" * 20)) for name in ("A", "B", "C")}
    tests = compare_pairs(reports)
    assert [(test.outcome, test.first, test.second) for test in tests] == [
        (outcome, *pair) for outcome in ("Clean", "All Linf") for pair in (("A", "B"), ("A", "C"), ("B", "C"))
    ]
    assert not any(test.is_significant for test in tests)


def test_the_counts_are_of_the_combined_attacks() -> None:
    first = a_report("1111", attacked("1111") | {"deepfool-linf": "1101"})
    second = a_report("1110", attacked("0111"), kind="cnn")
    clean, combined = compare_pairs({"A": first, "B": second})
    assert clean.counts == McNemar(1, 0)
    # A withstands 1101, B 0110.
    assert combined.counts == McNemar(2, 1)


def test_the_worst_case_is_tested_where_either_was_attacked_otherwise() -> None:
    first = a_report("1111", attacked("1111", square_linf="0011"))
    second = a_report("1111", attacked("1111"), kind="cnn")
    tests = {test.outcome: test.counts for test in compare_pairs({"A": first, "B": second})}
    assert tests == {"Clean": McNemar(0, 0), "All Linf": McNemar(0, 0), "Worst case Linf": McNemar(0, 2)}


def test_a_model_without_the_papers_attacks_is_tested_on_what_there_is() -> None:
    first, second = a_report("11", {"pgd-l2": "11"}), a_report("11", {"pgd-l2": "00"}, kind="cnn")
    assert [test.outcome for test in compare_pairs({"A": first, "B": second})] == ["Clean", "Worst case L2"]
    assert [test.outcome for test in compare_pairs({"A": first, "B": a_report("11")})] == ["Clean"]


def test_significance_is_of_the_corrected_value() -> None:
    # Nine of nine: p = 2 / 2^9 = 0.0039, below 0.01 alone; with three further tests it is 0.0156.
    better, worse = a_report("1" * 9 + "1"), a_report("0" * 9 + "1", kind="cnn")
    (alone,) = compare_pairs({"A": better, "B": worse})
    assert (alone.adjusted_p, alone.is_significant) == (pytest.approx(2 / 2**9), True)
    same = attacked("1" * 10)
    better, worse = a_report("1" * 10, same), a_report("0" * 9 + "1", same, kind="cnn")
    clean, combined = compare_pairs({"A": better, "B": worse})
    assert clean.counts == combined.counts == McNemar(9, 0)
    assert clean.adjusted_p == pytest.approx(4 / 2**9)
    third = a_report("0" * 9 + "1", same, kind="abs")
    tests = compare_pairs({"A": better, "B": worse, "C": third})
    assert [test.counts.p_value < 0.01 for test in tests] == [True, True, False] * 2
    assert not any(test.is_significant for test in tests)
