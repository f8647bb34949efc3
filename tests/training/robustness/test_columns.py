from pathlib import Path

import pytest

from tests.training.robustness.reports import a_report
from training.robustness.columns import arranged, on_common_images, require_comparable
from training.robustness.report_file import ReportError, RobustnessReport


def columns_of(*reports: RobustnessReport) -> list[str]:
    return list(arranged({Path(str(place)): report for place, report in enumerate(reports)}))


def test_columns_stand_in_the_papers_order_and_others_behind() -> None:
    kinds = ("e-abs", "resnet", "abs", "cnn", "adv-l2", "d-abs", "adv-linf")
    assert columns_of(*(a_report(kind=kind) for kind in kinds)) == [
        "CNN",
        "Adv-Linf",
        "Adv-L2",
        "ABS",
        "D-ABS",
        "E-ABS",
        "resnet",
    ]


def test_models_of_one_kind_are_told_apart_by_their_names() -> None:
    assert columns_of(a_report(name="quick"), a_report(name="best"), a_report(kind="cnn")) == [
        "CNN",
        "E-ABS (quick)",
        "E-ABS (best)",
    ]


def test_a_model_that_comes_twice_is_refused() -> None:
    with pytest.raises(ReportError, match=r"0 and 1: expected one report a model, got two of E-ABS \(e-abs\)"):
        columns_of(a_report(), a_report())


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
    found = on_common_images({"E-ABS": many, "CNN": few})
    require_comparable(found)
    assert [report.indices for report in found.values()] == [[100, 102], [100, 102]]
    assert [report.attacks["pgd-l2"].robust for report in found.values()] == [[True, False], [False, True]]


def test_reports_without_a_common_image_are_refused() -> None:
    other = a_report("1", kind="cnn").model_copy(update={"indices": [7]})
    with pytest.raises(ReportError, match="E-ABS, CNN: expected images that all of them have, got none"):
        on_common_images({"E-ABS": a_report("11"), "CNN": other})
