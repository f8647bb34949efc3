"""What latent inference knows of a model before any image comes: the candidate bank and the solver's metric."""

from dataclasses import dataclass

from torch import Tensor

from eabs.candidates import CandidateBank
from eabs.decoding import FoldedDecoders
from eabs.penalty import Penalty
from eabs.quasi_newton import gauss_newton_metric
from eabs.workers import Workers

_METRIC_LATENTS = 128


@dataclass(frozen=True)
class Preparation:
    """The candidate bank, and every class's inverse mean Gauss-Newton matrix (K, M, M)."""

    bank: CandidateBank
    metric: Tensor


def prepare(decoders: FoldedDecoders, penalty: Penalty, *, candidates: int, seed: int, threads: int) -> Preparation:
    """Decodes `candidates` latents drawn by `seed`, and takes the metric at the first of them.

    The result does not depend on the number of threads.
    """
    workers = Workers(threads, decoders.device)
    bank = CandidateBank.decode(decoders, penalty, count=candidates, seed=seed, workers=workers)
    return Preparation(bank, gauss_newton_metric(decoders, bank.latents[:_METRIC_LATENTS], workers))
