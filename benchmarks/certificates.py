"""What each certificate takes, and the nearest prototype's answer by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.machine import best_seconds
from eabs.certificates.base_classifier import base_classifier
from eabs.certificates.bracket import attack_upper_bound, recreate_by_prototypes
from eabs.certificates.exact_inference import certify_exact_inference
from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import SmoothingSettings, certify_by_smoothing
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank

Work = Callable[[Tensor], object]


@dataclass(frozen=True)
class CertificateTiming:
    """One kind of answer: ms an image, for images one after the other and for all of them at once."""

    answer: str
    ms_alone: float
    ms_together: float


def time_certificates(
    inference: LatentInference,
    bank: PrototypeBank | None,
    images: Tensor,
    *,
    smoothing: SmoothingSettings,
    repeats: int = 3,
) -> list[CertificateTiming]:
    """Times every certificate that the model has, with one thread for what the bank does.

    Args:
        inference: the model's; its own threads share images out.
        bank: the model's prototypes, if it has any. What is smoothed is the bank, or else latent inference, `fast`.
        images: (B, C, H, W) float32 in [0, 1], real ones.
        smoothing: how many samples, above all.
        repeats: the best of how many is taken.
    """
    K = inference.architecture.classes
    base = base_classifier(inference, bank)
    ways: dict[str, Work] = {
        "exact-inference": partial(certify_exact_inference, inference),
        f"smoothing, n = {smoothing.n}": lambda x: certify_by_smoothing(base, x, smoothing, classes=K),
    }
    if bank:
        by_bank: dict[str, Work] = {
            "nearest prototype": bank.classify,
            "finite-bank": partial(certify_finite_bank, bank),
            "its bracket": lambda x: attack_upper_bound(
                recreate_by_prototypes(bank), x, bank.classify(x).predictions.cpu()
            ),
        }
        ways = by_bank | ways
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_time(answer, work, images, repeats) for answer, work in ways.items()]
    finally:
        torch.set_num_threads(threads)


def _time(answer: str, work: Work, images: Tensor, repeats: int) -> CertificateTiming:
    def one_by_one() -> None:
        for image in images.split(1):
            work(image)

    device = images.device
    with torch.inference_mode():
        alone, together = (best_seconds(w, repeats=repeats, device=device) for w in (one_by_one, partial(work, images)))
    return CertificateTiming(answer, 1e3 * alone / len(images), 1e3 * together / len(images))
