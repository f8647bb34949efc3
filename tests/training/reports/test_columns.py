from pathlib import Path

import pytest

from tests.training.reports.documents import a_report
from training.reports.columns import arranged, on_common_images, require_comparable
from training.reports.report_file import ReportError, RobustnessReport


def columns_of(*reports: RobustnessReport) -> dict[str, list[str]]:
    found = arranged({Path(str(place)): report for place, report in enumerate(reports)})
    return {heading: [str(path) for path in paths] for heading, paths in found.items()}


def test_columns_stand_in_the_papers_order_and_others_behind() -> None:
    kinds = ("e-abs", "resnet", "abs", "cnn", "adv-l2", "d-abs", "adv-linf")
    assert list(columns_of(*(a_report(kind=kind) for kind in kinds))) == [
        "CNN",
        "Adv-Linf",
        "Adv-L2",
        "ABS",
        "D-ABS",
        "E-ABS",
        "resnet",
    ]


def test_models_of_one_kind_are_told_apart_by_their_names() -> None:
    found = columns_of(a_report(name="quick"), a_report(name="best"), a_report(kind="cnn"), a_report(name="quick"))
    assert found == {"CNN": ["2"], "E-ABS (quick)": ["0", "3"], "E-ABS (best)": ["1"]}


def test_several_reports_of_the_only_model_of_its_kind_stand_in_one_column() -> None:
    assert columns_of(a_report(), a_report()) == {"E-ABS": ["0", "1"]}


def changed(**fields: object) -> RobustnessReport:
    return a_report("1111", {"pgd-linf": "1111"}, kind="cnn").model_copy(update=fields)


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (changed(dataset="svhn"), "dataset: expected the same, got mnist and svhn"),
        (changed(split="validation"), "split: expected the same, got test and validation"),
        (changed(indices=[100, 101, 103, 102]), "got 102 and 103 in place 2"),
        (a_report("11", kind="cnn"), "indices: expected the same images in the same order, got 4 and 2 images"),
        (changed(labels=[1, 1, 1, 2]), "labels: expected the same"),
        (changed(samples_digest="sha256:11"), "samples_digest: expected the same"),
    ],
)
def test_models_on_other_images_are_not_compared(other: RobustnessReport, complaint: str) -> None:
    columns = {"E-ABS": a_report("1111", {"pgd-linf": "1111"}), "CNN": other}
    with pytest.raises(ReportError, match="E-ABS and CNN cannot be compared: ") as caught:
        require_comparable(columns)
    assert complaint in str(caught.value)


def test_models_that_were_attacked_further_than_others_are_not_compared() -> None:
    further = a_report("1", {"pgd-l2": "1"}, epsilons={"l2": 2.0})
    between = a_report("1", {"pgd-linf": "1"})
    columns = {"A": a_report("1", {"pgd-l2": "1"}), "B": between, "C": further}
    with pytest.raises(ReportError, match=r"expected one epsilon for l2, got 1\.5 \(A\) and 2 \(C\)"):
        require_comparable(columns)


def test_common_images_make_reports_of_other_samples_comparable() -> None:
    many, few = a_report("1101", {"pgd-l2": "1100"}), a_report("111", {"pgd-l2": "101"}, kind="cnn")
    few = few.model_copy(update={"indices": [102, 100, 999]})
    found = on_common_images({Path("many"): many, Path("few"): few})
    require_comparable({path.name: report for path, report in found.items()})
    assert [report.indices for report in found.values()] == [[100, 102], [100, 102]]
    assert [report.attacks["pgd-l2"].robust for report in found.values()] == [[True, False], [False, True]]


def test_reports_without_a_common_image_are_refused() -> None:
    other = a_report("1", kind="cnn").model_copy(update={"indices": [7]})
    with pytest.raises(ReportError, match="a, b: expected images that all of them have, got none"):
        on_common_images({Path("a"): a_report("11"), Path("b"): other})
