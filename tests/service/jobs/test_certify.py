from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from eabs.certificates.exact_inference import EXACT_INFERENCE, certify_exact_inference
from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import SmoothingSettings, certify_by_smoothing
from eabs.settings import EFFORTS
from model_store import ModelStore, prepare_inference
from service.jobs import CertifyExactInference, CertifyFiniteBank, CertifySmoothing, Classifiers, base_predict

QUICK = replace(EXACT_INFERENCE, steps=10, starts=2)
SMOOTHING = SmoothingSettings(sigma=0.05, n0=20, n=200, alpha=0.01, seed=3)


@pytest.fixture(scope="module")
def classifiers(store_root: Path) -> Classifiers:
    loaded = ModelStore(store_root).load("mnist")
    return Classifiers(prepare_inference(loaded, cache=None), loaded.prototypes)


@pytest.fixture(scope="module")
def images(classifiers: Classifiers) -> torch.Tensor:
    """Prototypes with a little noise, so that they are certified."""
    pictures = classifiers.bank.pictures(torch.tensor([0, 4, 9]))
    noise = 0.05 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1))
    return (pictures + noise).clamp(0, 1)


def test_exact_inference_is_equation_7s_certificate(classifiers: Classifiers, images: torch.Tensor) -> None:
    answers = CertifyExactInference("model", QUICK).run(classifiers, images)
    found = certify_exact_inference(classifiers.latent, images, QUICK)
    assert [answer.prediction for answer in answers] == found.predictions.tolist()
    assert [answer.radius for answer in answers] == found.radii.tolist()
    np.testing.assert_array_equal(np.stack([answer.bounds for answer in answers]), found.bounds.double().numpy())
    # Both of its inferences count.
    assert [answer.steps for answer in answers] == found.steps.tolist()
    assert [answer.converged for answer in answers] == found.converged.tolist()
    assert max(found.steps.tolist()) > QUICK.steps


def test_finite_bank_is_the_banks_certificate(classifiers: Classifiers, images: torch.Tensor) -> None:
    answers = CertifyFiniteBank("model").run(classifiers, images)
    found = certify_finite_bank(classifiers.bank, images)
    assert [answer.prediction for answer in answers] == found.predictions.tolist()
    assert [answer.radius for answer in answers] == found.radii.tolist()
    assert min(answer.radius for answer in answers) > 0


@pytest.mark.parametrize("base", ["latent", "finite-bank"])
def test_smoothing_smooths_the_base_that_it_is_given(classifiers: Classifiers, images: torch.Tensor, base: str) -> None:
    job = CertifySmoothing("model", replace(SMOOTHING, n=100), "latent" if base == "latent" else "finite-bank")
    answers = job.run(classifiers, images[:2])
    found = certify_by_smoothing(base_predict(classifiers, job.base), images[:2], job.settings, classes=10)
    expected = [None if prediction < 0 else prediction for prediction in found.predictions.tolist()]
    assert [answer.prediction for answer in answers] == expected
    assert [answer.probability for answer in answers] == found.probabilities.tolist()
    assert job.classifier == f"smoothed {base}"


def test_without_a_bracket_nothing_is_attacked(classifiers: Classifiers, images: torch.Tensor) -> None:
    for job in (CertifyFiniteBank("model"), CertifySmoothing("model", SMOOTHING, "finite-bank")):
        assert {answer.attack_upper_bound for answer in job.run(classifiers, images)} == {None}


def test_a_bracket_holds_the_radius_below_the_attack(classifiers: Classifiers, images: torch.Tensor) -> None:
    jobs = (
        CertifyFiniteBank("model", bracket=True),
        CertifySmoothing("model", SMOOTHING, "finite-bank", bracket=True),
    )
    for job in jobs:
        for answer in job.run(classifiers, images):
            assert answer.attack_upper_bound is not None
            assert 0 < answer.radius < answer.attack_upper_bound < 28


def test_the_attack_on_exact_inference_is_confirmed_by_it(classifiers: Classifiers, images: torch.Tensor) -> None:
    (answer,) = CertifyExactInference("model", QUICK, bracket=True).run(classifiers, images[:1])
    assert answer.attack_upper_bound is not None
    assert answer.attack_upper_bound >= 0


def test_an_image_to_smooth_fills_a_batch_and_one_to_classify_does_not() -> None:
    assert CertifySmoothing("model", SMOOTHING, "latent").lanes == 220
    assert CertifyFiniteBank("model").lanes == 1
    assert CertifyExactInference("model").lanes == EXACT_INFERENCE.starts
    assert EFFORTS["fast"].starts == 1
