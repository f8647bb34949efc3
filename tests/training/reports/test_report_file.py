import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training.reports.documents import a_report, outcomes, report_document
from training.reports.report_file import ReportError, read_report

Breaking = Callable[[dict[str, Any]], object]


@pytest.fixture
def document() -> dict[str, Any]:
    return report_document("1101", {"pgd-linf": "1001", "pgd-l2": "1101"}, curves={"linf": ("1101", "1001")})


def test_a_report_is_read_as_it_was_written(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document | {"images": "attacked.safetensors", "added_later": 1}))
    report = read_report(path)
    assert (report.images, report.subject.kind, report.picture_file) == (4, "e-abs", "attacked.safetensors")
    assert report.attacks["pgd-linf"].robust == outcomes("1001")
    assert (report.epsilon("linf"), report.epsilon("l2")) == (0.3, 1.5)
    assert report.curves["linf"].epsilons == [0.15, 0.3]


def _pop(*fields: str) -> Breaking:
    def breaking(document: dict[str, Any]) -> None:
        for field in fields[:-1]:
            document = document[field]
        del document[fields[-1]]

    return breaking


def _set(value: object, *fields: str) -> Breaking:
    def breaking(document: dict[str, Any]) -> None:
        for field in fields[:-1]:
            document = document[field]
        document[fields[-1]] = value

    return breaking


@pytest.mark.parametrize(
    ("breaking", "complaint"),
    [
        (_pop("clean"), "clean: Field required"),
        (_pop("subject", "kind"), "subject.kind: Field required"),
        (_pop("attacks", "pgd-linf", "robust"), "attacks.pgd-linf.robust: Field required"),
        (_set([1, 1, 0, 1], "clean"), "clean.0: Input should be a valid boolean (and 3 more)"),
        (_set("l3", "attacks", "pgd-l2", "norm"), "attacks.pgd-l2.norm: Input should be 'linf' or 'l2'"),
        (_set(0, "attacks", "pgd-l2", "epsilon"), "attacks.pgd-l2.epsilon: Input should be greater than 0"),
        (_set([True], "attacks", "pgd-l2", "robust"), "attacks.pgd-l2.robust: expected 4 entries, one for each of"),
        (_set([1, 1], "labels"), "labels: expected 4 entries"),
        (_set([1, 1, 1, 3], "labels"), "labels: expected 0 to 2, as many as classes"),
        (_set([1, 2, 2, 3], "indices"), "indices: expected every image once"),
        (_set([], "indices"), "indices: List should have at least 1 item"),
        (
            _set([0.1, 0.31, None, None], "attacks", "pgd-linf", "distances"),
            "attacks.pgd-linf: distances: expected at most epsilon, 0.3, got 0.31",
        ),
        (
            _set([[True]], "curves", "linf", "robust"),
            "curves.linf: robust: expected 2 lists, one for each of epsilons, got 1",
        ),
        (_set([0.3, 0.15], "curves", "linf", "epsilons"), "curves.linf: epsilons: expected an ascending order"),
        (_set([[True], [True]], "curves", "linf", "robust"), "curves.linf.robust.0: expected 4 entries"),
        (_set("../secret.safetensors", "images"), "images: String should match pattern"),
    ],
)
def test_a_broken_report_is_refused_and_the_field_is_named(
    tmp_path: Path, document: dict[str, Any], breaking: Breaking, complaint: str
) -> None:
    breaking(document)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ReportError) as caught:
        read_report(path)
    assert str(caught.value).startswith(f"{path}: {complaint}")


def test_attacks_of_one_norm_that_go_to_different_epsilons_are_refused(tmp_path: Path) -> None:
    document = report_document("11", {"pgd-linf": "11", "noise-linf": "11"})
    document["attacks"]["noise-linf"]["epsilon"] = 0.1
    path = tmp_path / "report.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ReportError, match=r"one epsilon for all linf attacks, got 0\.3 \(pgd-linf\) and 0\.1 \(noise-"):
        read_report(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=r"foreign\.json: "):
        read_report(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"none\.json: No such file"):
        read_report(tmp_path / "none.json")


def test_a_restricted_report_speaks_of_the_chosen_images_alone() -> None:
    whole = a_report("1101", {"pgd-linf": "1001"}, curves={"linf": ("1101", "1001")})
    found = whole.restricted_to({103, 101})
    assert (found.indices, found.clean, found.samples_digest) == ([101, 103], outcomes("11"), None)
    assert found.attacks["pgd-linf"].robust == outcomes("01")
    assert found.curves["linf"].robust == [outcomes("11"), outcomes("01")]
    assert whole.images == 4
