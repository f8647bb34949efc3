"""Subjects of real weights: the bundled model's, published and in a run folder, and a network's just trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from eabs.family import build
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS
from eabs.variant import Kind
from model_store import BUNDLED, LoadedModel, ModelStore, UnknownModel, default_cache, prepare_inference, weights_digest
from tests.few_candidates import CANDIDATES, publish_with_few_candidates
from training.attacks.binarised import binarise
from training.attacks.classifiers import LatentLogits
from training.attacks.unrolled import UnrolledLogits
from training.datasets import Dataset, load_dataset
from training.discriminative.recipe import cnn_recipe
from training.discriminative.run import DiscriminativeRun
from training.discriminative.trainer import DiscriminativeTrainer
from training.evaluation import measure_accuracy
from training.generative_run import GenerativeRun
from training.recipe import recipe_for
from training.robustness.loading import Asked, load_subject
from training.robustness.samples import draw_samples
from training.robustness.subject import Subject
from training.run_folder import Checkpoint, RunDescription, RunError, tensors_of

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(mnist_folder: Path) -> Dataset:
    return load_dataset("mnist", mnist_folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish_with_few_candidates(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def loaded(store: Path) -> LoadedModel:
    return ModelStore(store).load("mnist")


@pytest.fixture(scope="module")
def inference(loaded: LoadedModel) -> LatentInference:
    return prepare_inference(loaded, cache=default_cache())


@pytest.fixture(scope="module")
def published(store: Path) -> Subject:
    return load_subject("mnist@production", store=store, device=CPU)


@pytest.fixture(scope="module")
def run(loaded: LoadedModel, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the bundled model's weights."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    folder = GenerativeRun(path)
    folder.create(RunDescription.of(dataset, recipe_for("quick", "mnist"), train_images=162, validation_images=18))
    folder.save(Checkpoint(1, tensors_of("model", loaded.model.state_dict()), {}))
    return path


@pytest.fixture(scope="module")
def network(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "plain"
    recipe = replace(cnn_recipe("quick", "mnist"), epochs=4, batch=27)
    DiscriminativeTrainer(dataset, recipe, path, device=CPU).run()
    return path


@pytest.fixture(scope="module")
def images(dataset: Dataset) -> Tensor:
    return draw_samples(dataset.test, 6, seed=0).unit_range()


def test_a_run_folder_and_what_is_published_of_it_are_one_classifier(
    run: Path, published: Subject, images: Tensor
) -> None:
    trained = load_subject(str(run), store="nowhere", candidates=CANDIDATES, device=CPU)
    assert torch.equal(trained.predict(images), published.predict(images))
    torch.testing.assert_close(trained.logits(images), published.logits(images))
    assert trained.identity["weights"] == published.identity["weights"]
    assert (trained.name, trained.kind, trained.dataset) == ("digits", "e-abs", "mnist")


def test_a_published_model_is_identified(published: Subject, loaded: LoadedModel) -> None:
    assert (published.name, published.kind, published.dataset) == ("mnist", "e-abs", "mnist")
    assert (published.identity["version"], published.identity["digest"]) == ("1", loaded.digest)
    assert published.identity["weights"] == loaded.manifest.files["weights.safetensors"]
    assert published.origin.sources == loaded.manifest.training_data.sources


def test_clean_answers_are_those_of_the_accuracy_that_is_served(
    published: Subject, inference: LatentInference, dataset: Dataset
) -> None:
    chosen = draw_samples(dataset.test, 12, seed=3)
    expected = measure_accuracy(inference, dataset.test.subset(chosen.indices), EFFORTS["standard"])
    found = published.predict(chosen.unit_range()) == chosen.labels
    assert int(found.sum()) == expected.correct


def test_attacks_see_the_effort_of_the_answers_where_nothing_else_is_asked_for(store: Path) -> None:
    found = load_subject("mnist", store=store, asked=Asked(effort="fast"), device=CPU)
    assert found.identity["attacked"] == found.identity["served"] == "latent inference, fast"


def test_efforts_are_chosen_for_answers_and_for_attacks(
    inference: LatentInference, store: Path, images: Tensor
) -> None:
    found = load_subject("mnist", store=store, asked=Asked(effort="fast", seen="standard"), device=CPU)
    assert (found.identity["served"], found.identity["attacked"]) == (
        "latent inference, fast",
        "latent inference, standard",
    )
    expected = LatentLogits(inference, EFFORTS["standard"])(images)
    torch.testing.assert_close(found.logits(images), expected)


def untrained(kind: Kind, dataset: Dataset, path: Path) -> Path:
    """A run folder of random weights."""
    recipe = recipe_for("quick", "mnist", kind)
    folder = GenerativeRun(path)
    folder.create(RunDescription.of(dataset, recipe, train_images=162, validation_images=18))
    model = build(folder.description().architecture, recipe.variant)
    folder.save(Checkpoint(1, tensors_of("model", model.state_dict()), {}))
    return path


@pytest.mark.parametrize(
    ("kind", "answers"), [("abs", ["standard", "standard"]), ("av-abs", ["adam", "adam"]), ("dv-abs", ["adam", "adam"])]
)
def test_every_kind_answers_and_is_attacked_by_its_own_inference(
    kind: Kind, answers: list[str], dataset: Dataset, images: Tensor, tmp_path: Path
) -> None:
    run = GenerativeRun(untrained(kind, dataset, tmp_path))
    found = load_subject(str(run.path), store="nowhere", candidates=16, device=CPU, threads=1)
    assert found.kind == kind
    assert [found.identity[part].removeprefix("latent inference, ") for part in ("served", "attacked")] == answers
    inference = run.inference(candidates=16)
    assert torch.equal(found.predict(images[:2]), inference.infer(images[:2], run.settings()).predictions)
    expected = LatentLogits(inference, run.settings())(images[:2])
    torch.testing.assert_close(found.logits(images[:2]), expected)


@pytest.mark.parametrize("efforts", [{"effort": "fast"}, {"seen": "standard"}, {"seen": "unrolled"}])
def test_inference_that_has_no_efforts_is_given_none(efforts: dict[str, Any], dataset: Dataset, tmp_path: Path) -> None:
    run = untrained("av-abs", dataset, tmp_path)
    with pytest.raises(ValueError, match=r"effort, seen: expected none for .*, of kind av-abs, which has no efforts"):
        load_subject(str(run), store="nowhere", candidates=16, device=CPU, asked=Asked(**efforts))


def test_attacks_may_look_through_the_steps_of_inference(
    inference: LatentInference, store: Path, images: Tensor
) -> None:
    found = load_subject("mnist", store=store, asked=Asked(seen="unrolled"), device=CPU)
    assert found.identity["attacked"] == "latent inference, unrolled"
    expected = UnrolledLogits(inference)(images)
    torch.testing.assert_close(found.logits(images), expected)


def test_the_papers_inference_answers_where_it_is_asked_for(
    inference: LatentInference, store: Path, images: Tensor
) -> None:
    known = load_subject("mnist", store=store, asked=Asked(solver="adam"), device=CPU)
    expected = load_subject("mnist", store=store, asked=Asked(solver="adam", expectation=2), device=CPU)
    transferred = load_subject("mnist", store=store, asked=Asked(solver="adam", seen="fast"), device=CPU)
    assert [one.identity["attacked"] for one in (known, expected, transferred)] == [
        "latent inference, adam",
        "latent inference, adam, 2 samples of its noise",
        "latent inference, fast",
    ]
    answers = inference.infer(images[:2], PAPER_SETTINGS)
    for one in (known, expected, transferred):
        assert one.identity["served"] == "latent inference, adam"
        assert torch.equal(one.predict(images[:2]), answers.predictions)
    torch.testing.assert_close(known.logits(images[:2]), -answers.scores)
    reseeded = [inference.reseeded(inference.seed + one).infer(images[:2], PAPER_SETTINGS).scores for one in (1, 2)]
    torch.testing.assert_close(expected.logits(images[:2]), -torch.stack(reseeded).mean(0))
    torch.testing.assert_close(transferred.logits(images[:2]), -inference.infer(images[:2], EFFORTS["fast"]).scores)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"solver": "adam", "effort": "fast"}, "effort: expected none with the solver adam"),
        ({"expectation": 5}, "expectation: expected none where attacks see what is not random"),
        ({"solver": "adam", "seen": "fast", "expectation": 5}, "expectation: expected none"),
    ],
)
def test_what_does_not_go_together_is_not_asked_for(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Asked(**asked)


def test_a_binarised_subject_sees_black_and_white(published: Subject, images: Tensor) -> None:
    found = published.binarised()
    assert torch.equal(found.predict(images), published.predict(binarise(images)))
    torch.testing.assert_close(found.logits(images), published.logits(binarise(images)))
    assert found.name == "mnist-binarised"
    assert found.identity == {**published.identity, "input": "binarised at 0.5"}


def test_a_network_answers_and_is_attacked_as_it_is(network: Path, images: Tensor) -> None:
    found = load_subject(str(network), store=BUNDLED, device=CPU)
    assert (found.name, found.kind, found.dataset) == ("plain", "cnn", "mnist")
    with torch.enable_grad():
        attacked = images.clone().requires_grad_()
        logits = found.logits(attacked)
        (gradient,) = torch.autograd.grad(logits.sum(), attacked)
    assert torch.equal(logits, DiscriminativeRun(network).classifier()(images))
    assert torch.equal(logits.argmax(1), found.predict(images))
    assert found.identity["weights"] == weights_digest(DiscriminativeRun(network).classifier())
    assert gradient.abs().sum() > 0


def test_nothing_is_asked_of_a_network(network: Path) -> None:
    with pytest.raises(ValueError, match=r"effort: expected none for .*plain"):
        load_subject(str(network), store=BUNDLED, asked=Asked(effort="fast"), device=CPU)


def test_a_folder_that_holds_no_run_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a folder that `eabs train` made"):
        load_subject(str(tmp_path), store=BUNDLED, device=CPU)


def test_a_folder_by_a_models_name_that_is_no_run_is_in_nobodys_way(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_subject("mnist", store=store, device=CPU).identity["version"] == "1"


def test_a_model_that_nobody_published_is_reported() -> None:
    with pytest.raises(UnknownModel):
        load_subject("nonesuch", store=BUNDLED, device=CPU)
