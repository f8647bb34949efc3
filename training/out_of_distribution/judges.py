"""Who tells how unusual an image is: typicality and the score of both classifiers, and the softmax of a CNN."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from eabs.settings import InferenceSettings
from model_store import ScoreCalibration

_BATCH = 64

Advance = Callable[[int], None]
Ask = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) float32 in [0, 1] to what a classifier finds, (B, K): scores or logits."""


@dataclass(frozen=True)
class Judgement:
    """How unusual images are, by one measure: `unusual` (N,) float64, more is more unusual; `rejected` (N,) bool, None
    of a measure without a threshold."""

    unusual: Tensor
    rejected: Tensor | None


Judgements = dict[str, Judgement]
Judge = Callable[[Tensor, Advance], Judgements]
"""Images (N, C, H, W) float32 in [0, 1] to a judgement by each measure; is told of every batch done."""


def by_latent_inference(
    inference: LatentInference, calibration: ScoreCalibration, settings: InferenceSettings
) -> Judge:
    """By the typicality of latent inference, and by its score alone."""
    return _by_scores("latent", lambda images: inference.infer(images, settings).scores.cpu(), calibration)


def by_prototypes(bank: PrototypeBank, calibration: ScoreCalibration) -> Judge:
    """By the typicality of the nearest prototype, and by its score alone."""
    # As the server rounds them.
    return _by_scores("finite-bank", lambda images: bank.classify(images).scores.float().cpu(), calibration)


def by_softmax(name: str, network: nn.Module, validation: Tensor, *, reject_below: float) -> Judge:
    """By the maximum softmax probability of a CNN (Hendrycks & Gimpel, ICLR 2017), a module to logits (B, K).

    The threshold is the one below which a share of at most `reject_below` of the validation images (N, C, H, W) lies.
    """
    ask = torch.no_grad()(network)
    known = _unlikeliness(_all(ask, validation, lambda _: None)).sort().values
    threshold = known[len(known) - 1 - int(reject_below * len(known))]

    def judge(images: Tensor, advance: Advance) -> Judgements:
        unusual = _unlikeliness(_all(ask, images, advance))
        return {f"{name} softmax": Judgement(unusual, unusual > threshold)}

    return judge


def _by_scores(name: str, ask: Ask, calibration: ScoreCalibration) -> Judge:
    def judge(images: Tensor, advance: Advance) -> Judgements:
        lowest = _all(ask, images, advance).min(1)
        found = list(zip(lowest.indices.tolist(), lowest.values.tolist(), strict=True))
        typicality = torch.tensor([calibration.typicality(*one) for one in found], dtype=torch.float64)
        rejected = torch.tensor([calibration.is_out_of_distribution(*one) for one in found])
        return {
            f"{name} typicality": Judgement(-typicality, rejected),
            f"{name} score": Judgement(lowest.values.double(), None),
        }

    return judge


def _all(ask: Ask, images: Tensor, advance: Advance) -> Tensor:
    found = []
    for batch in images.split(_BATCH):
        found.append(ask(batch))
        advance(len(batch))
    return torch.cat(found)


def _unlikeliness(logits: Tensor) -> Tensor:
    """log((1 - p) / p) of the largest probability p of softmax(logits): falls with p, and does not saturate near 1."""
    ordered = logits.double().sort(1, descending=True).values
    return ordered[:, 1:].logsumexp(1) - ordered[:, 0]
