from pathlib import Path

import pytest
import torch
from torch import Tensor

from eabs.certificates.exact_inference import certify_exact_inference
from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import SmoothingSettings
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, QuasiNewtonSettings
from model_store import ModelStore, prepare_inference
from tests.eabs.toy import TOY, random_model
from tests.model_store.small import ARCHITECTURE, small_bank, small_draft, small_prototypes
from tests.training.attacks.toy_bank import CLASSES, toy_bank, toy_images
from training.attacks.certified import (
    certified_by_bank,
    certified_by_exact_inference,
    certified_by_smoothing,
    certified_classifier,
    kinds_of,
)
from training.attacks.classifiers import PrototypeLogits

SMOOTHING = SmoothingSettings(sigma=0.1, n=300)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Version 1 has a bank, version 2 has none."""
    store, model = ModelStore(tmp_path), random_model(ARCHITECTURE)
    store.publish(model, small_draft(prototypes=small_prototypes()), prototypes=small_bank())
    store.publish(model, small_draft())
    return store


def test_the_bank_decides_about_its_own_certificate() -> None:
    bank, images = toy_bank(), toy_images(6)
    classifier, expected = certified_by_bank(bank), certify_finite_bank(bank, images)
    predictions, radii = classifier.certify(images)
    assert torch.equal(radii, expected.radii)
    for answer in (
        predictions,
        classifier.predict(images),
        classifier.serve(images),
        classifier.logits(images).argmax(1),
    ):
        assert torch.equal(answer, expected.predictions)
    assert (classifier.sound, classifier.alpha) == (True, None)


def test_exact_inference_decides_about_equation_7_and_is_called_unsound() -> None:
    inference = LatentInference.prepare(random_model(TOY, contrast=3.0, seed=3), beta=1.0, seed=0, candidates=100)
    exact, images = QuasiNewtonSettings(steps=20, starts=2), toy_images(6)
    classifier = certified_by_exact_inference(inference, EFFORTS["standard"], exact=exact)
    expected = certify_exact_inference(inference, images, exact)
    predictions, radii = classifier.certify(images)
    assert torch.equal(radii, expected.radii)
    assert torch.equal(predictions, expected.predictions)
    assert torch.equal(classifier.predict(images), expected.predictions)
    assert torch.equal(classifier.serve(images), inference.infer(images, EFFORTS["standard"]).predictions)
    assert not classifier.sound


def test_no_two_smoothed_answers_share_their_noise_and_attacks_see_none_of_it() -> None:
    bank, image = toy_bank(), toy_images(1)
    seen: list[Tensor] = []

    def base(noisy: Tensor) -> Tensor:
        seen.append(noisy[0] - image[0])
        return bank.classify(noisy).predictions

    logits = PrototypeLogits(bank)
    classifier = certified_by_smoothing(
        base, logits, SMOOTHING, shape=(1, 8, 8), classes=CLASSES, device=torch.device("cpu")
    )
    assert (classifier.sound, classifier.alpha) == (True, SMOOTHING.alpha)
    two = image.expand(2, -1, -1, -1)
    classifier.certify(two)
    classifier.predict(two)
    attackers = SMOOTHING.sigma * torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(SMOOTHING.seed))
    firsts = torch.stack([*seen, attackers]).flatten(1)
    # Of each certificate's noise there are two draws, n0 and n.
    assert len(firsts) == 2 * 2 + 2 + 1
    assert torch.cdist(firsts, firsts).add(torch.eye(len(firsts))).min() > 0.1


def test_only_a_model_with_a_bank_has_its_certificate(store: ModelStore) -> None:
    banked, bare = store.load("shapes", "1"), store.load("shapes", "2")
    assert kinds_of(banked) == ["exact-inference", "finite-bank", "smoothing"]
    assert kinds_of(bare) == ["exact-inference", "smoothing"]
    with pytest.raises(ValueError, match="shapes version 2 has no prototype bank"):
        certified_classifier("finite-bank", bare, prepare_inference(bare, cache=None), SMOOTHING)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_published_models_certificates_are_of_what_it_serves(store: ModelStore, version: str) -> None:
    loaded, images = store.load("shapes", version), toy_images(12)
    inference = prepare_inference(loaded, cache=None)
    served = {
        "exact-inference": inference.infer(images, EFFORTS[loaded.manifest.default_effort]).predictions,
        "smoothing": inference.infer(images, EFFORTS["fast"]).predictions,
    }
    if loaded.prototypes:
        served |= dict.fromkeys(("finite-bank", "smoothing"), loaded.prototypes.classify(images).predictions)
    for kind in kinds_of(loaded):
        classifier = certified_classifier(kind, loaded, inference, SMOOTHING)
        assert classifier.kind == kind
        assert torch.equal(classifier.serve(images), served[kind])
        assert classifier.logits(images).shape == (12, 3)
