import json
from pathlib import Path

import pytest

from eabs.settings import PAPER_SETTINGS
from model_store import ModelStore, prepare_inference
from tests.cli.conftest import Eabs
from training.datasets import load_dataset
from training.evaluation import measure_accuracy


@pytest.fixture
def evaluate(eabs: Eabs, store: Path, mnist_folder: Path) -> Eabs:
    def run(*arguments: object) -> object:
        return eabs("evaluate", "accuracy", "--model", "mnist", "--data", mnist_folder, "--store", store, *arguments)

    return run  # type: ignore[return-value]


def test_the_effort_is_standard_where_none_is_named(evaluate: Eabs) -> None:
    found = json.loads(evaluate("--images", 4, "--json").out)
    assert (found["solver"], found["effort"], found["images"]) == ("quasi-newton", "standard", 4)


def test_adam_counts_what_the_papers_inference_predicts(evaluate: Eabs, store: Path, mnist_folder: Path) -> None:
    outcome = evaluate("--solver", "adam", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert (found["solver"], found["effort"]) == ("adam", None)
    inference = prepare_inference(ModelStore(store).load("mnist"), cache=None)
    expected = measure_accuracy(inference, load_dataset("mnist", mnist_folder).test, PAPER_SETTINGS)
    assert found["per_class"] == dict(zip("0123456789", expected.per_class, strict=True))


def test_the_line_names_the_solver_that_has_no_effort(evaluate: Eabs) -> None:
    assert "mnist version 1, adam: " in evaluate("--images", 4, "--solver", "adam").out


def test_adam_with_an_effort_is_a_usage_error(evaluate: Eabs) -> None:
    outcome = evaluate("--solver", "adam", "--effort", "fast")
    assert outcome.code == 2
    assert "effort: expected none" in outcome.err
