from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.training.reports.documents import a_report
from training.reports.pictures import AnsweredImages, AttackedImages, Pictures, joined, read_pictures
from training.reports.report_file import ReportError, RobustnessReport


@pytest.fixture
def report() -> RobustnessReport:
    return a_report("1111", {"pgd-l2": "1100"}).model_copy(update={"picture_file": "attacked.safetensors"})


def images(count: int = 2, *, channels: int = 1, level: float = 0.5) -> np.ndarray:
    return np.full((count, channels, 4, 4), level, dtype=np.float32)


def test_pictures_are_read_by_the_attacks_names(tmp_path: Path, report: RobustnessReport) -> None:
    save_file({"clean": images(), "pgd-l2": images(level=1.0), "unknown": images()}, tmp_path / "attacked.safetensors")
    found = read_pictures(tmp_path, report)
    assert found is not None
    assert (found.indices, found.labels) == ([100, 101], ["one", "one"])
    assert found.clean.answers == ["one", "one"]
    (attacked,) = found.attacked.values()
    assert (attacked.norm, attacked.epsilon, attacked.answers) == ("l2", 1.5, ["one", "one"])
    assert (attacked.images == 1).all()


def test_answers_are_the_classes_names_and_none_where_nothing_was_attacked(tmp_path: Path) -> None:
    report = a_report("101", {"pgd-l2": "001"}).model_copy(update={"picture_file": "attacked.safetensors"})
    save_file({"clean": images(3), "pgd-l2": images(3)}, tmp_path / "attacked.safetensors")
    found = read_pictures(tmp_path, report)
    assert found is not None
    assert found.clean.answers == ["one", "zero", "one"]
    assert found.attacked["pgd-l2"].answers == ["two", None, "one"]


def test_pictures_of_one_model_are_joined_where_they_show_the_same_images() -> None:
    attacks = ("pgd-l2", "cw-l2", "square-l2")
    reports = [a_report("11", {name: "11"}) for name in attacks]
    answered = AnsweredImages(images(), ["one", "one"])
    first, second, other = (
        Pictures(indices, ["one", "one"], answered, {name: AttackedImages(images(), ["one", "two"], "l2", 1.5)})
        for name, indices in zip(attacks, ([100, 101], [100, 101], [7, 8]), strict=True)
    )
    found = joined(reports, [first, second, other])
    assert found is not None
    assert list(found.attacked) == ["pgd-l2", "cw-l2"]
    assert list(joined(reports, [None, second, None]).attacked) == ["cw-l2"]  # type: ignore[union-attr]
    assert joined(reports, [None, None, None]) is None


def test_a_report_without_pictures_has_none(tmp_path: Path) -> None:
    assert read_pictures(tmp_path, a_report("1")) is None


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"clean": images()}, "pgd-l2: expected its images, got none"),
        ({"clean": images(), "pgd-l2": images(3)}, r"pgd-l2: expected \(n, 1 or 3, H, W\) float32 as clean, got"),
        ({"clean": images(channels=2), "pgd-l2": images(channels=2)}, "clean: expected .* got"),
        ({"clean": images(5), "pgd-l2": images(5)}, "clean: expected 1 to 4 images, as the report has, got 5"),
        ({"clean": images(), "pgd-l2": images(level=1.5)}, r"pgd-l2: expected pixels in \[0, 1\]"),
        ({"clean": images(level=np.nan), "pgd-l2": images()}, r"clean: expected pixels in \[0, 1\]"),
    ],
)
def test_a_file_with_something_else_in_it_is_refused(
    tmp_path: Path, report: RobustnessReport, tensors: dict[str, np.ndarray], complaint: str
) -> None:
    save_file(tensors, tmp_path / "attacked.safetensors")
    with pytest.raises(ReportError, match=rf"attacked\.safetensors: {complaint}"):
        read_pictures(tmp_path, report)


def test_pictures_that_are_named_must_be_there(tmp_path: Path, report: RobustnessReport) -> None:
    with pytest.raises(ReportError, match=r"attacked\.safetensors: expected the attacked images of the report"):
        read_pictures(tmp_path, report)
    (tmp_path / "attacked.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(ReportError, match=r"attacked\.safetensors: expected the attacked images of the report"):
        read_pictures(tmp_path, report)
