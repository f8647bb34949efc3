import json
from pathlib import Path
from typing import Any

import pytest

from model_store import (
    AccuracyEvaluation,
    AttackOutcome,
    CertifiedAt,
    CertifiedEvaluation,
    RobustnessEvaluation,
    WorstCase,
)
from tests.training.reports.documents import report_document
from training.evaluation_files import EvaluationError, Measured, read_evaluations

WEIGHTS, BANK = "sha256:" + "a" * 64, "sha256:" + "b" * 64
MEASURED = Measured("mnist", WEIGHTS, BANK)
MODEL = {"name": "mnist", "version": "1", "digest": "sha256:0", "weights": WEIGHTS, "prototypes": BANK}
ACCURACY: dict[str, Any] = {
    "model": MODEL,
    "split": "test",
    "solver": "quasi-newton",
    "effort": "fast",
    "images": 4,
    "correct": 3,
    "accuracy": 0.75,
}
CERTIFIED: dict[str, Any] = {
    "model": MODEL,
    "split": "test",
    "certificate": "smoothing",
    "sound": True,
    "base": "finite-bank",
    "smoothing": {"sigma": 0.5, "n0": 100, "n": 1000, "alpha": 0.001, "seed": 7},
    "images": 3,
    "clean": 2 / 3,
    "certified": {"0.25": 2 / 3, "1.0": 1 / 3},
}


ROBUSTNESS: dict[str, Any] = report_document(
    clean="1110", attacks={"pgd-linf": "1010", "deepfool-linf": "0110", "pgd-l2": "1110"}
)
ROBUSTNESS["subject"]["identity"] = {"weights": WEIGHTS, "served": "latent, fast", "recipe": {"epochs": 30}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "result.json"


def test_an_accuracy_is_a_number_of_images_and_how_they_were_classified(file: Path) -> None:
    file.write_text(json.dumps(ACCURACY))

    settings = {"classifier": "latent", "solver": "quasi-newton", "effort": "fast"}
    expected = AccuracyEvaluation(split="test", images=4, correct=3, settings=settings)
    assert read_evaluations([file], MEASURED) == (expected,)


def test_certified_shares_become_numbers_of_images(file: Path) -> None:
    file.write_text(json.dumps(CERTIFIED))

    (found,) = read_evaluations([file], MEASURED)
    assert found == CertifiedEvaluation(
        split="test",
        images=3,
        settings={"base": "finite-bank", "sigma": 0.5, "n0": 100, "n": 1000, "alpha": 0.001, "seed": 7},
        certificate="smoothing",
        sound=True,
        clean=2,
        radii=(CertifiedAt(radius=0.25, certified=2), CertifiedAt(radius=1.0, certified=1)),
    )


def test_outcomes_image_by_image_become_numbers_and_the_worst_case_of_each_ball(file: Path) -> None:
    file.write_text(json.dumps(ROBUSTNESS))

    steps: dict[str, str | int | float | bool | None] = {"steps": 80}
    (found,) = read_evaluations([file], MEASURED)
    assert found == RobustnessEvaluation(
        split="test",
        images=4,
        settings={"served": "latent, fast"},
        seed=0,
        clean=3,
        attacks={
            "pgd-linf": AttackOutcome(norm="linf", epsilon=0.3, settings=steps, robust=2),
            "deepfool-linf": AttackOutcome(norm="linf", epsilon=0.3, settings=steps, robust=2),
            "pgd-l2": AttackOutcome(norm="l2", epsilon=1.5, settings=steps, robust=3),
        },
        worst_case=(WorstCase(norm="linf", epsilon=0.3, robust=1), WorstCase(norm="l2", epsilon=1.5, robust=3)),
    )


def robustness(folder: Path, attacks: dict[str, str], **identity: str) -> Path:
    document = report_document(clean="1110", attacks=attacks)
    document["subject"]["identity"] = {"weights": WEIGHTS, "served": "latent, fast"} | identity
    file = folder / f"{len(list(folder.iterdir()))}.json"
    file.write_text(json.dumps(document))
    return file


def test_reports_of_the_same_answers_are_one_with_the_worst_case_of_all_attacks(tmp_path: Path) -> None:
    paper = robustness(tmp_path, {"pgd-linf": "1010", "pgd-l2": "1110"})
    beyond = robustness(tmp_path, {"encoder-linf": "0110", "encoder-l2": "1100"})
    (found,) = read_evaluations([paper, beyond], MEASURED)
    assert isinstance(found, RobustnessEvaluation)
    assert list(found.attacks) == ["pgd-linf", "pgd-l2", "encoder-linf", "encoder-l2"]
    assert [(worst.norm, worst.robust) for worst in found.worst_case] == [("linf", 1), ("l2", 2)]


@pytest.mark.parametrize("other", [{"served": "latent, brief"}, {"attacked": "latent, brief"}, {}])
def test_reports_of_other_answers_or_of_the_same_attack_stay_apart(tmp_path: Path, other: dict[str, str]) -> None:
    files = [robustness(tmp_path, {"pgd-linf": "1010"}), robustness(tmp_path, {"pgd-linf": "1000"}, **other)]
    found = read_evaluations(files, MEASURED)
    assert [one.attacks["pgd-linf"].robust for one in found if isinstance(one, RobustnessEvaluation)] == [2, 1]


@pytest.mark.parametrize("result", [ACCURACY, CERTIFIED, ROBUSTNESS])
def test_a_result_of_other_weights_is_refused(file: Path, result: dict[str, Any]) -> None:
    file.write_text(json.dumps(result))

    with pytest.raises(EvaluationError, match=rf"expected a result of the weights {BANK}, got {WEIGHTS}"):
        read_evaluations([file], Measured("mnist", BANK, BANK))


def test_a_result_that_names_no_weights_is_refused(file: Path) -> None:
    file.write_text(json.dumps(ROBUSTNESS | {"subject": ROBUSTNESS["subject"] | {"identity": {}}}))

    with pytest.raises(EvaluationError, match="got None"):
        read_evaluations([file], MEASURED)


def test_a_result_of_another_data_set_is_refused(file: Path) -> None:
    file.write_text(json.dumps(ROBUSTNESS))

    with pytest.raises(EvaluationError, match="expected a result of the data set svhn, got mnist"):
        read_evaluations([file], Measured("svhn", WEIGHTS))


def test_the_bank_matters_where_it_had_a_part(file: Path) -> None:
    without = Measured("mnist", WEIGHTS)
    file.write_text(json.dumps(CERTIFIED))
    with pytest.raises(EvaluationError, match="expected a result of the prototype bank None, got sha256:b"):
        read_evaluations([file], without)

    file.write_text(json.dumps(CERTIFIED | {"base": "latent"}))
    assert isinstance(read_evaluations([file], without)[0], CertifiedEvaluation)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Expecting value"),
        ("[]", "should be a valid dictionary"),
        ("{}", "Field required"),
        (json.dumps(ACCURACY | {"correct": 5}), "correct: expected at most 4 images, got 5"),
        (json.dumps(CERTIFIED | {"clean": 1.5}), "less than or equal to 1"),
        (json.dumps(ROBUSTNESS | {"clean": [True]}), "clean: expected 4 entries"),
        (json.dumps(report_document(clean="11")), "at least 1 item"),
        (json.dumps(ROBUSTNESS | {"split": "train"}), "'test' or 'validation'"),
        (json.dumps(ROBUSTNESS | {"clean": [False] * 4}), "expected at most 0 images"),
    ],
)
def test_what_is_no_result_is_refused(file: Path, text: str, complaint: str) -> None:
    file.write_text(text)

    with pytest.raises(EvaluationError, match=complaint) as refused:
        read_evaluations([file], MEASURED)
    assert f"{file}: expected the JSON of `eabs evaluate" in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="No such file"):
        read_evaluations([tmp_path / "none.json"], MEASURED)
