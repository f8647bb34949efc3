from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from eabs.networks import EABS
from model_store import BUNDLED, ModelStore
from model_store.evaluations import Evaluation
from tests.model_store.measured import EVALUATIONS, accuracy, certified, robustness
from tests.model_store.small import small_draft

ADAPTER: TypeAdapter[Evaluation] = TypeAdapter(Evaluation)


def test_evaluations_are_read_as_they_were_published(store: ModelStore, model: EABS) -> None:
    store.publish(model, small_draft(evaluations=EVALUATIONS))

    assert store.manifest("shapes", "1").evaluations == EVALUATIONS


def test_a_version_may_be_published_without_any() -> None:
    assert ModelStore(BUNDLED).manifest("mnist", "1").evaluations == ()


@pytest.mark.parametrize(
    ("made", "change", "message"),
    [
        (accuracy, {"correct": 101}, "correct: expected at most 100 images, got 101"),
        (accuracy, {"images": 0}, "images"),
        (accuracy, {"split": "train"}, "'test' or 'validation'"),
        (robustness, {"clean": 101}, "clean: expected at most 100 images, got 101"),
        (robustness, {"clean": 79}, "pgd-linf: robust: expected at most 79 images, got 80"),
        (robustness, {"attacks": {}}, "at least 1 item"),
        (
            robustness,
            {"worst_case": [{"norm": "linf", "epsilon": 0.3, "robust": 71}]},
            "worst_case: robust in linf: expected at most 70 images, got 71",
        ),
        (
            robustness,
            {"worst_case": [{"norm": "l2", "epsilon": 1.5, "robust": 1}]},
            "worst_case: robust in l2: expected at most 0 images, got 1",
        ),
        (certified, {"clean": 89}, "certified at 0.5: expected at most 89 images, got 90"),
        (certified, {"certificate": "hope"}, "certificate"),
    ],
)
def test_numbers_that_do_not_go_together_are_refused(made: Any, change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ADAPTER.validate_python(made().model_dump() | change)
