from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS, PAPER_SETTINGS
from model_store import ModelStore, prepare_inference
from service.jobs import Classifiers, Classify, ClassifyByPrototypes, choose_settings

IMAGES = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def classifiers(store_root: Path) -> Classifiers:
    loaded = ModelStore(store_root).load("mnist")
    return Classifiers(prepare_inference(loaded, cache=None), loaded.prototypes)


@pytest.fixture
def inference(classifiers: Classifiers) -> LatentInference:
    return classifiers.latent


def test_nothing_is_reconstructed_without_an_explanation(
    inference: LatentInference, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Tensor] = []
    monkeypatch.setattr(inference, "reconstruct", decoded.append)
    answers = Classify("model", EFFORTS["fast"]).run(Classifiers(inference), IMAGES)
    assert [answer.reconstructions for answer in answers] == [None, None]
    assert decoded == []


def test_an_explanation_is_what_the_classes_made(inference: LatentInference) -> None:
    answers = Classify("model", EFFORTS["thorough"], explain=True).run(Classifiers(inference), IMAGES)
    for image, answer in zip(IMAGES, answers, strict=True):
        assert answer.reconstructions is not None
        assert (answer.reconstructions.shape, answer.reconstructions.dtype) == ((10, 1, 28, 28), np.uint8)
        differences = image.numpy() - answer.reconstructions.astype(np.float32) / 255
        distances = np.linalg.norm(differences.reshape(10, -1), axis=1)
        np.testing.assert_allclose(distances, answer.distances, atol=0.1)


def test_a_picture_counts_for_the_memory_that_an_answer_takes(inference: LatentInference) -> None:
    plain, explained = (
        Classify("model", EFFORTS["fast"], explain=explain).run(Classifiers(inference), IMAGES[:1])[0].nbytes
        for explain in (False, True)
    )
    assert explained == plain + 10 * 28 * 28


def test_classes_that_were_given_up_are_known(inference: LatentInference) -> None:
    for effort in ("fast", "thorough"):
        result = inference.infer(IMAGES, EFFORTS[effort])
        answers = Classify("model", EFFORTS[effort]).run(Classifiers(inference), IMAGES)
        assert np.stack([answer.upper_bounds for answer in answers]).tolist() == result.upper_bounds.tolist()


def test_the_effort_is_the_default_where_none_is_named() -> None:
    assert choose_settings("quasi-newton", None, default="thorough") is EFFORTS["thorough"]
    assert choose_settings("quasi-newton", "fast", default="thorough") is EFFORTS["fast"]


def test_adam_is_the_papers_inference_and_has_no_effort() -> None:
    assert choose_settings("adam", None, default="fast") is PAPER_SETTINGS
    with pytest.raises(ValueError, match=r"effort: expected none with the solver 'adam'.*got 'thorough'"):
        choose_settings("adam", "thorough", default="fast")


def test_the_nearest_prototype_decides_and_is_the_explanation(classifiers: Classifiers) -> None:
    answers = ClassifyByPrototypes("model", explain=True).run(classifiers, IMAGES)
    found = classifiers.bank.classify(IMAGES)
    assert [answer.prediction for answer in answers] == found.predictions.tolist()
    for answer, scores, nearest in zip(answers, found.scores, found.nearest, strict=True):
        np.testing.assert_allclose(answer.scores, scores, rtol=1e-6)
        assert not answer.upper_bounds.any()
        pictures = (classifiers.bank.pictures(nearest).clamp(0, 1) * 255).round().to(torch.uint8)
        assert np.array_equal(answer.reconstructions, pictures.numpy())


def test_a_tie_that_rounding_made_does_not_change_the_prediction() -> None:
    pixels = torch.zeros(2, 1, 1, 2, dtype=torch.float64)
    pixels[0, 0, 0, 0] = 1.0 + 1e-9
    pixels[1, 0, 0, 0] = 1.0
    bank = PrototypeBank.of_images(pixels, torch.zeros(2), torch.tensor([0, 1]))
    image = torch.zeros(1, 1, 1, 2)
    (answer,) = ClassifyByPrototypes("model").run(Classifiers(cast(LatentInference, None), bank), image)
    assert bank.classify(image).predictions.item() == 1
    assert answer.prediction == 1


def test_an_answer_knows_how_latent_inference_got_there(classifiers: Classifiers) -> None:
    for answer in Classify("model", EFFORTS["fast"]).run(classifiers, IMAGES):
        assert answer.steps is not None
        assert 1 <= answer.steps <= EFFORTS["fast"].steps
        assert type(answer.converged) is bool
    for answer in Classify("model", replace(PAPER_SETTINGS, steps=2)).run(classifiers, IMAGES):
        assert (answer.steps, answer.converged) == (2, None)
    for answer in ClassifyByPrototypes("model").run(classifiers, IMAGES):
        assert (answer.steps, answer.converged) == (None, None)


def test_an_effort_has_one_of_few_names() -> None:
    assert Classify("model", EFFORTS["thorough"]).effort == "thorough"
    assert Classify("model", PAPER_SETTINGS).effort == "adam"
    assert Classify("model", replace(EFFORTS["fast"], steps=7)).effort == "other"
    assert ClassifyByPrototypes("model").effort is None
