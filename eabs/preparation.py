"""What latent inference knows of a model before any image comes: the candidate bank and the solver's metric."""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.candidates import CandidateBank
from eabs.decoding import FoldedDecoders
from eabs.penalty import FoldedDiscriminator
from eabs.quasi_newton import gauss_newton_metric

_METRIC_LATENTS = 128


@dataclass(frozen=True)
class Preparation:
    """The candidate bank, and every class's inverse mean Gauss-Newton matrix (K, M, M)."""

    bank: CandidateBank
    metric: Tensor


def prepare(decoders: FoldedDecoders, discriminator: FoldedDiscriminator, *, candidates: int, seed: int) -> Preparation:
    """Decodes `candidates` latents drawn by `seed`, and takes the metric at the first of them."""
    bank = CandidateBank.decode(decoders, discriminator, count=candidates, seed=seed)
    with torch.inference_mode():
        return Preparation(bank, gauss_newton_metric(decoders, bank.latents[:_METRIC_LATENTS]))
