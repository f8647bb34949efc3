from datetime import UTC, datetime

import pytest
from scipy import stats

from model_store import Manifest, TrainingData
from model_store.card import model_card
from tests.model_store.measured import EVALUATIONS
from tests.model_store.small import small_draft

DIGEST = "sha256:" + "d" * 64
WEIGHTS = "sha256:" + "a" * 64


def card(**changes: object) -> str:
    manifest = Manifest(
        **small_draft(**changes).model_dump(),
        version="4",
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        libraries={"torch": "2.6.0"},
        files={"weights.safetensors": WEIGHTS},
    )
    return model_card(manifest, digest=DIGEST)


def row(text: str, first: str) -> list[str]:
    """The cells of the one table row that begins with a cell."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_it_says_what_the_model_takes_and_answers() -> None:
    text = card()

    assert text.startswith("# shapes, version 4\n")
    assert "- takes: grey images of 8 x 8 pixels\n" in text
    assert "- answers with one of 3 classes: circle, square, star\n" in text
    assert "no prototype bank" in text


def test_it_says_whose_the_data_is_or_that_nobody_said() -> None:
    terms = TrainingData(dataset="shapes", splits={}, sources={}, licence="CC0", citation="Euclid: Elements")

    assert "- licence: CC0\n- to cite: Euclid: Elements\n" in card(training_data=terms)
    assert "- licence: not recorded\n- to cite: not recorded\n" in card()


def test_it_names_the_digests_and_how_to_check_them() -> None:
    text = card()

    assert f"`{DIGEST}`" in text
    assert row(text, "weights.safetensors") == ["weights.safetensors", f"`{WEIGHTS}`"]
    assert "`eabs models verify shapes 4`" in text


def test_without_evaluations_it_says_so_and_has_the_publishers_figures() -> None:
    text = card()

    assert "published without an evaluation" in text
    assert row(text, "test_accuracy") == ["test_accuracy", "0.5"]
    assert "### Under attack" not in text


def test_it_has_every_evaluation_with_its_samples_and_settings() -> None:
    text = card(evaluations=EVALUATIONS)

    assert row(text, "test")[:3] == ["test", "100", "classifier: latent; solver: adam"]
    assert "100 test images, drawn with seed 3. served: latent inference, fast." in text
    assert row(text, "none")[-1].startswith("97.00% (")
    assert row(text, "deepfool-linf")[:4] == ["deepfool-linf", "Linf", "0.3", "steps: 80"]
    assert row(text, "the worst of them")[-1].startswith("65.00% (")
    assert "100 validation images; a proof but for the chance `alpha`." in text
    assert row(text, "0.5")[-1].startswith("90.00% (")


@pytest.mark.parametrize(("robust", "first"), [(80, "pgd-linf"), (70, "deepfool-linf")])
def test_intervals_are_wilsons(robust: int, first: str) -> None:
    interval = stats.binomtest(robust, 100).proportion_ci(method="wilson")

    found = row(card(evaluations=EVALUATIONS), first)[-1]
    assert found == f"{robust}.00% ({interval.low:.2%} to {interval.high:.2%})"


def test_a_name_cannot_break_a_table() -> None:
    sources = {"a|b\nc.bin": "sha256:" + "0" * 64}
    text = card(training_data=TrainingData(dataset="shapes", splits={}, sources=sources))

    assert f"| a\\|b c.bin | `sha256:{'0' * 64}` |\n" in text


def test_runs_that_started_from_one_another_are_told_apart_from_the_first_to_the_last() -> None:
    recipe = {
        "epochs": 2, "seed": 7, "steps": 10,
        "parent.epochs": 5, "parent.seed": 7, "parent.weights": WEIGHTS,
        "parent.parent.epochs": 30, "parent.parent.seed": 7, "parent.parent.weights": DIGEST,
    }  # fmt: skip
    text = card(training_recipe=recipe)

    assert "Trained in 3 runs" in text
    assert row(text, "seed") == ["seed", "7"]
    assert row(text, "epochs") == ["epochs", "30", "5", "2"]
    assert row(text, "steps") == ["steps", "", "", "10"]
    assert row(text, "weights") == ["weights", "`sha256:dddddddd`...", "`sha256:aaaaaaaa`...", ""]


def test_a_single_run_has_a_value_for_each_hyperparameter() -> None:
    text = card(training_recipe={"epochs": 2, "seed": 7})

    assert row(text, "epochs") == ["epochs", "2"]
    assert "runs, each" not in text
