import pytest

from tests.training.reports.documents import a_report, outcomes
from training.reports.merging import attack_names, merged
from training.reports.report_file import ReportError, RobustnessReport
from training.reports.rows import WORST


def through(report: RobustnessReport, seen: str, **identity: str) -> RobustnessReport:
    """The report as of attacks that went through something of the model."""
    subject = report.subject.model_copy(update={"identity": {"attacked": seen} | identity})
    return report.model_copy(update={"subject": subject})


def test_one_report_is_itself() -> None:
    report = a_report("11", {"pgd-l2": "10"})
    assert merged([report]) is report


def test_two_suites_make_one_worst_case() -> None:
    paper = a_report("1111", {"pgd-l2": "1101"}, curves={"l2": ("1101",)})
    beyond = a_report("1110", {"square-l2": "0110"}, curves={"linf": ("1110",)})
    found = merged([paper, beyond])
    assert found.clean == outcomes("1110")
    assert list(found.attacks) == ["pgd-l2", "square-l2"]
    assert WORST.outcomes(found).tolist() == outcomes("0100")  # type: ignore[union-attr]
    assert set(found.curves) == {"linf", "l2"}


def test_of_two_curves_of_one_norm_the_first_is_kept() -> None:
    first, second = a_report("11", curves={"l2": ("11",)}), a_report("11", curves={"l2": ("00",)})
    assert merged([first, second]).curves["l2"].robust == [outcomes("11")]


def test_an_attack_that_comes_again_through_something_else_says_through_what() -> None:
    fast = through(a_report("11", {"pgd-l2": "11", "cw-l2": "11"}), "fast")
    unrolled = through(a_report("11", {"pgd-l2": "01"}), "unrolled")
    assert attack_names([fast, unrolled]) == [
        {"pgd-l2": "pgd-l2", "cw-l2": "cw-l2"},
        {"pgd-l2": "pgd-l2 (unrolled)"},
    ]
    assert merged([fast, unrolled]).attacks["pgd-l2 (unrolled)"].robust == outcomes("01")


@pytest.mark.parametrize("others", [["fast"], ["unrolled", "unrolled"]])
def test_an_attack_that_comes_twice_through_the_same_is_refused(others: list[str]) -> None:
    report = a_report("11", {"pgd-l2": "11"})
    with pytest.raises(ReportError, match=r"attacks\.pgd-l2: expected in one of its reports, got in two"):
        merged([through(report, seen) for seen in ("fast", *others)])


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (through(a_report("11"), "fast", weights="b"), "weights: expected the same in all its reports, got a and b"),
        (through(a_report("11"), "fast", weights="a", served="thorough"), "served: expected the same"),
        (through(a_report("111"), "fast", weights="a"), "indices: expected the same images in all its reports"),
        (
            through(a_report("11", {"cw-l2": "11"}, epsilons={"l2": 2}), "fast", weights="a"),
            r"attacks: expected one epsilon for all l2 attacks, got 1\.5 \(pgd-l2\) and 2 \(cw-l2\)",
        ),
    ],
)
def test_reports_that_do_not_speak_of_one_model_on_the_same_images_are_refused(
    other: RobustnessReport, complaint: str
) -> None:
    first = through(a_report("11", {"pgd-l2": "11"}), "fast", weights="a")
    with pytest.raises(ReportError, match=f"e-abs: {complaint}"):
        merged([first, other])
