"""Certified classifiers: what certifies, who decides whether it held, and what attacks see of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import torch
from torch import Tensor, nn

from eabs.certificates.base_classifier import base_classifier
from eabs.certificates.exact_inference import EXACT_INFERENCE, certify_exact_inference
from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import Predict, SmoothingSettings, certify_by_smoothing, predict_by_smoothing
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS, InferenceSettings, QuasiNewtonSettings
from model_store import LoadedModel
from training.attacks.classifiers import LatentLogits, PrototypeLogits, SmoothedLogits

CertificateKind = Literal["exact-inference", "finite-bank", "smoothing"]


@dataclass(frozen=True)
class CertifiedClassifier:
    """A kind of certificate with the classifier that it speaks of. Images are (B, C, H, W) float32 in [0, 1].

    - `certify`: images to predictions (B,) int64 and radii (B,) in [0, 1] pixels, 0 where nothing is certified.
    - `predict`: images to the certified classifier's own answers (B,) int64, ABSTAIN where it gives none.
    - `serve`: images to the answers (B,) int64 that users are given, for which they may take the certificate.
    - `logits`: what attacks see of the classifier, on `device`. It need not agree with `predict`, which has the word.
    - `sound`: whether the certificate is a proof; `alpha`: how often one may be wrong all the same, None for never.
    """

    kind: CertificateKind
    certify: Callable[[Tensor], tuple[Tensor, Tensor]]
    predict: Predict
    serve: Predict
    logits: nn.Module
    device: torch.device
    sound: bool
    alpha: float | None = None


def kinds_of(loaded: LoadedModel) -> list[CertificateKind]:
    """The certificates that a published model has."""
    return ["exact-inference", *(("finite-bank",) if loaded.prototypes else ()), "smoothing"]


def certified_classifier(
    kind: CertificateKind, loaded: LoadedModel, inference: LatentInference, smoothing: SmoothingSettings
) -> CertifiedClassifier:
    """A published model with one kind of certificate.

    What is smoothed is the prototype bank, or latent inference of effort `fast` where there is none.

    Args:
        kind: which.
        loaded: the model.
        inference: of the same model.
        smoothing: for `smoothing`.

    Raises:
        ValueError: the model has no such certificate.
    """
    bank = loaded.prototypes
    if kind == "exact-inference":
        return certified_by_exact_inference(inference, EFFORTS[loaded.manifest.default_effort])
    if kind == "finite-bank":
        if bank is None:
            raise ValueError(f"{loaded.manifest.name} version {loaded.manifest.version} has no prototype bank")
        return certified_by_bank(bank)

    base = base_classifier(inference, bank)
    logits = PrototypeLogits(bank) if bank else LatentLogits(inference)
    architecture = inference.architecture
    return certified_by_smoothing(
        base, logits, smoothing, shape=architecture.image, classes=architecture.classes, device=inference.device
    )


def certified_by_bank(bank: PrototypeBank) -> CertifiedClassifier:
    """The `finite-bank` certificate of the bank, which is itself what is served with it."""

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        found = certify_finite_bank(bank, images)
        return found.predictions, found.radii

    def predict(images: Tensor) -> Tensor:
        return bank.classify(images).predictions

    return CertifiedClassifier("finite-bank", certify, predict, predict, PrototypeLogits(bank), bank.device, sound=True)


def certified_by_exact_inference(
    inference: LatentInference,
    served: InferenceSettings,
    *,
    exact: QuasiNewtonSettings = EXACT_INFERENCE,
    crafted: InferenceSettings = EFFORTS["fast"],
) -> CertifiedClassifier:
    """The `exact-inference` certificate, equation (7), which is not sound.

    Args:
        inference: the model.
        served: how users' images are classified.
        exact: the inference that the certificate rests on, and that decides what is broken.
        crafted: the inference that attacks see, which they ask many hundred times for each image.
    """

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        found = certify_exact_inference(inference, images, exact)
        return found.predictions, found.radii

    def predict(images: Tensor) -> Tensor:
        # The first half of `certify_exact_inference`, which is all that its predictions come from.
        return inference.infer(images, replace(exact, objective="score")).predictions

    def serve(images: Tensor) -> Tensor:
        return inference.infer(images, served).predictions

    logits = LatentLogits(inference, crafted)
    return CertifiedClassifier("exact-inference", certify, predict, serve, logits, inference.device, sound=False)


def certified_by_smoothing(
    base: Predict,
    logits: nn.Module,
    settings: SmoothingSettings,
    *,
    shape: tuple[int, ...],
    classes: int,
    device: torch.device,
) -> CertifiedClassifier:
    """The `smoothing` certificate of a base classifier that is served as it is.

    Every image and every answer has noise of its own, by seeds that count up from the settings': no attack knows the
    noise, and the errors are independent of each other.

    Args:
        base: the base classifier.
        logits: the base classifier's; attacks see them smoothed.
        settings: of the smoothing, for certificates and for answers at attacked images alike.
        shape: of an image, (C, H, W).
        classes: K.
        device: where `base` and `logits` are.
    """
    seen = SmoothedLogits(logits, shape, sigma=settings.sigma, seed=settings.seed)
    fresh = (replace(settings, seed=seed) for seed in count(settings.seed + 1))

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        found = [certify_by_smoothing(base, image[None], next(fresh), classes=classes) for image in images]
        return torch.cat([one.predictions for one in found]), torch.cat([one.radii for one in found])

    def predict(images: Tensor) -> Tensor:
        return torch.cat([predict_by_smoothing(base, image[None], next(fresh), classes=classes) for image in images])

    return CertifiedClassifier("smoothing", certify, predict, base, seen, device, sound=True, alpha=settings.alpha)
