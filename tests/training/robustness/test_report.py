import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.robustness.brightness import plan, samples, subject
from training.robustness.evaluation import evaluate_robustness
from training.robustness.records import Records
from training.robustness.report import attacked_images, report_of


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    chosen = plan(curves=True)
    found = evaluate_robustness(subject(), samples(), chosen, Records(tmp_path))
    assert set(attacked_images(found)) == {"clean", "pgd-linf", "pgd-l2", "noise-linf"}
    made = report_of(found, subject(), samples(), chosen, split="test", classes=("dark", "bright"))
    loaded: dict[str, Any] = json.loads(json.dumps(made, allow_nan=False))
    assert loaded == made
    return loaded


def test_the_report_says_of_whom_and_of_what_it_speaks(report: dict[str, Any]) -> None:
    assert report["subject"] == {"name": "brightness", "kind": "cnn", "identity": {"weights": "none"}}
    assert (report["dataset"], report["split"], report["seed"]) == ("mnist", "test", 0)
    assert report["classes"] == ["dark", "bright"]
    assert report["indices"] == list(range(6))
    assert report["labels"] == [0, 0, 0, 1, 1, 0]
    assert report["samples_digest"] == samples().digest


def test_outcomes_are_listed_image_by_image(report: dict[str, Any]) -> None:
    assert report["clean"] == [True, True, True, True, True, False]
    assert report["predictions"] == [0, 0, 0, 1, 1, 1]
    attack = report["attacks"]["pgd-linf"]
    assert (attack["norm"], attack["epsilon"], attack["settings"]) == ("linf", 0.1, {"steps": 1})
    assert attack["robust"] == [True, True, False, False, False, False]
    assert attack["predictions"] == [0, 0, 1, 0, 0, None]
    assert attack["fooled_what_it_saw"] == [False, False, True, True, True, None]
    assert attack["inferences"] == 5


def test_a_distance_is_that_of_an_attacked_image_with_another_answer(report: dict[str, Any]) -> None:
    distances = report["attacks"]["pgd-linf"]["distances"]
    assert [distance is None for distance in distances] == [True, True, False, False, False, True]
    assert distances[2:5] == pytest.approx([0.1] * 3, abs=1e-6)


def test_a_curve_has_an_outcome_for_every_epsilon_and_image(report: dict[str, Any]) -> None:
    curve = report["curves"]["l2"]
    assert curve["attack"] == "pgd-l2"
    assert curve["epsilons"] == sorted(curve["epsilons"])
    assert [len(row) for row in curve["robust"]] == [6] * len(curve["epsilons"])
    assert all(type(flag) is bool for row in curve["robust"] for flag in row)
