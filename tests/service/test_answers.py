from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from eabs.certificates.smoothing import SmoothingSettings
from model_store import ModelStore
from service.answers import Certified, certification, classification, posterior
from service.images.served_image import ServedImage
from service.jobs import Bounds, CertifyExactInference, CertifyFiniteBank, CertifySmoothing, Classifier, Scores
from service.models.reference import ModelReference
from service.models.served_model import ServedModel, load_model
from service.schemas import ClassScore, ExplainedClassScore

IMAGE = ServedImage(np.zeros((1, 28, 28), np.float32), "sha256:0")
SCORES = Scores(np.arange(10, 0, -1, dtype=np.float32), np.arange(10, dtype=np.float32), np.arange(10) < 3)
BOUNDS = np.array([0.5, 3, 2, 4, -1, 5, 6, 7, 8, np.inf])


def certified(**bounds: Any) -> Certified:
    """An exact-inference certificate of class 9, changed."""
    found = {"prediction": 9, "radius": 0.25, "bounds": BOUNDS} | bounds
    return Certified(CertifyExactInference("model"), Bounds(**found))


@pytest.fixture(scope="module")
def model(store_root: Path) -> ServedModel:
    return load_model(
        ModelStore(store_root), ModelReference("mnist"), device=torch.device("cpu"), cache_dir=None, threads=1
    )


def test_the_posterior_is_a_softmax_of_the_scores_over_the_temperature() -> None:
    expected = (-torch.from_numpy(SCORES.scores) / 3).softmax(0)
    np.testing.assert_allclose(posterior(SCORES.scores, 3.0), expected, rtol=1e-5)


def test_huge_scores_have_a_posterior() -> None:
    assert posterior(np.array([1e6, 2e6], np.float32), 1.0) == [1.0, 0.0]


def test_the_lowest_score_wins(model: ServedModel) -> None:
    answer = classification(model, IMAGE, SCORES, cached=False)
    assert answer.prediction is not None
    assert answer.prediction.index == 9
    assert answer.classes[9].log_likelihood == -1
    assert answer.classes[9].reconstruction_distance == 9


def test_classes_that_were_given_up_are_marked(model: ServedModel) -> None:
    answer = classification(model, IMAGE, SCORES, cached=False)
    assert [entry.upper_bound for entry in answer.classes] == [True] * 3 + [False] * 7


def test_only_scores_with_reconstructions_are_explained(model: ServedModel) -> None:
    explained = replace(SCORES, reconstructions=np.zeros((10, 1, 28, 28), np.uint8))
    answers = [classification(model, IMAGE, scores, cached=False) for scores in (SCORES, explained)]
    kinds = [{type(entry) for entry in answer.classes} for answer in answers]
    assert kinds == [{ClassScore}, {ExplainedClassScore}]


def test_typicality_is_the_calibrations(model: ServedModel) -> None:
    answer = classification(model, IMAGE, SCORES, cached=False)
    assert answer.typicality == model.calibration("latent").typicality(9, 1.0)


@pytest.mark.parametrize("classifier", ["latent", "finite-bank"])
def test_an_image_is_out_of_distribution_where_its_typicality_is_below_the_threshold(
    model: ServedModel, classifier: Classifier
) -> None:
    for score, is_out in ((1000.0, False), (1001.0, True)):
        scores = replace(SCORES, scores=SCORES.scores + np.float32(score - 1))
        answer = classification(model, IMAGE, scores, classifier=classifier, cached=False)
        assert answer.out_of_distribution is is_out
        assert answer.prediction is not None


def test_a_rejected_image_has_scores_but_no_prediction_and_no_radius(model: ServedModel) -> None:
    answer = classification(model, IMAGE, SCORES, rejected=True, certified=certified(), cached=False)
    assert answer.prediction is None
    assert answer.certificate is not None
    assert answer.certificate.radius == 0
    assert "rejected as out of distribution" in (answer.certificate.reason or "")
    assert len(answer.classes) == 10


def test_a_certificate_of_the_served_class_keeps_its_radius(model: ServedModel) -> None:
    certificate = classification(model, IMAGE, SCORES, certified=certified(), cached=False).certificate
    assert certificate is not None
    assert (certificate.radius, certificate.reason) == (0.25, None)


def test_a_certificate_of_another_class_than_the_served_one_is_worth_nothing_and_says_why(model: ServedModel) -> None:
    certificate = classification(model, IMAGE, SCORES, certified=certified(prediction=3), cached=False).certificate
    assert certificate is not None
    assert certificate.radius == 0
    assert certificate.reason is not None
    assert "'class 3'" in certificate.reason
    assert "'class 9'" in certificate.reason


def test_a_certification_names_both_predictions(model: ServedModel) -> None:
    answer = certification(model, IMAGE, certified(), served=3, cached=False)
    assert answer.prediction is not None
    assert (answer.prediction.label, answer.served_prediction.label) == ("class 9", "class 3")
    assert answer.certificate.radius == 0


def test_rivals_are_sorted_by_their_bounds_without_the_prediction(model: ServedModel) -> None:
    answer = certification(model, IMAGE, certified(radius=0.0), served=9, cached=False)
    assert [rival.index for rival in answer.rivals] == [4, 0, 2, 1, 3, 5, 6, 7, 8]


def test_the_prototypes_have_a_calibration_of_their_own(model: ServedModel) -> None:
    assert model.manifest.prototypes is not None
    assert model.calibration("finite-bank") is model.manifest.prototypes.calibration
    answer = classification(model, IMAGE, SCORES, classifier="finite-bank", cached=False)
    assert answer.classifier == "finite-bank"
    assert answer.classes[9].posterior == pytest.approx(posterior(SCORES.scores, 3.0)[9])


def test_a_certificate_says_whose_prediction_it_speaks_of_and_what_it_promises(model: ServedModel) -> None:
    smoothing = CertifySmoothing("model", SmoothingSettings(alpha=0.01), "finite-bank")
    promises = {}
    for job in (CertifyExactInference("model"), CertifyFiniteBank("model"), smoothing):
        answer = classification(model, IMAGE, SCORES, certified=Certified(job, Bounds(9, 0.25)), cached=False)
        assert answer.certificate is not None
        found = answer.certificate
        promises[found.classifier] = (found.kind, found.sound, found.confidence, found.assumption)
    assert promises == {
        "exact-inference": ("exact-inference", False, None, "the latent optimum was found"),
        "finite-bank": ("finite-bank", True, None, None),
        "smoothed finite-bank": ("smoothing", True, 0.99, None),
    }


def test_a_classifier_that_abstains_certifies_nothing_and_says_so(model: ServedModel) -> None:
    job = CertifySmoothing("model", SmoothingSettings(seed=5), "finite-bank")
    answer = certification(
        model, IMAGE, Certified(job, Bounds(None, 0.0, probability=0.4)), served=9, estimated_s=0.5, cached=False
    )
    assert answer.prediction is None
    assert answer.rivals == []
    assert answer.certificate.radius == 0
    assert "abstains" in (answer.certificate.reason or "")
    assert answer.settings.model_dump() == {
        "kind": "smoothing",
        "sigma": 0.5,
        "n0": 100,
        "n": 10_000,
        "alpha": 0.001,
        "seed": 5,
        "probability": 0.4,
        "estimated_ms": 500.0,
    }


def test_an_attack_that_found_nothing_gives_no_upper_bound(model: ServedModel) -> None:
    for found, shown in ((np.inf, None), (None, None), (1.25, 1.25)):
        answer = certification(model, IMAGE, certified(attack_upper_bound=found), served=9, cached=False)
        assert answer.certificate.attack_upper_bound == shown
