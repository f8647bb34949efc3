"""What the engine can be asked about images: one class a question, with the answer's type beside it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eabs.certificates.exact_inference import EXACT_INFERENCE, certify_exact_inference
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS, Effort, InferenceSettings, QuasiNewtonSettings, Solver

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Outcome:
    """The engine's answer about one image."""

    @property
    def nbytes(self) -> int:
        """Memory that keeping it takes, in bytes."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))


@dataclass(frozen=True)
class Scores(Outcome):
    """Latent inference, equation (6): l_k and d_k (K,), and whether a class was given up, so that both are upper
    bounds (K,) bool. G_k(z_k) as (K, C, H, W) uint8 where the job asked for it."""

    scores: Floats
    distances: Floats
    upper_bounds: NDArray[np.bool_]
    reconstructions: NDArray[np.uint8] | None = None

    @property
    def prediction(self) -> int:
        """argmin_k l_k."""
        return int(self.scores.argmin())


@dataclass(frozen=True)
class Bounds(Outcome):
    """The exact-inference certificate, equation (7): e_k (K,), +inf at the prediction that it speaks of."""

    prediction: int
    radius: float
    bounds: Floats


def choose_settings(solver: Solver, effort: Effort | None, *, default: Effort) -> InferenceSettings:
    """How latent inference is done for who names a solver and an effort; `default` is the effort of who names none.

    Raises:
        ValueError: an effort was named for `adam`, which has none.
    """
    if solver == "quasi-newton":
        return EFFORTS[effort or default]
    if effort is not None:
        raise ValueError(f"effort: expected none with the solver 'adam', whose steps are the paper's, got {effort!r}")
    return PAPER_SETTINGS


T_co = TypeVar("T_co", bound=Outcome, covariant=True)


@dataclass(frozen=True)
class Job(ABC, Generic[T_co]):
    """A question about images of one model. Equal jobs can be answered together.

    `model` is the digest of the model; `settings` how latent inference is done.
    """

    model: str
    settings: InferenceSettings

    @abstractmethod
    def run(self, inference: LatentInference, images: Tensor) -> Sequence[T_co]:
        """Answers for images (B, C, H, W) float32 in [0, 1], one each, in their order."""


@dataclass(frozen=True)
class Classify(Job[Scores]):
    """Which class made this image? `explain` asks for what every class made of it, too."""

    explain: bool = False

    @classmethod
    def by_effort(cls, model: str, effort: Effort) -> "Classify":
        """The job of one of the named efforts."""
        return cls(model, EFFORTS[effort])

    def run(self, inference: LatentInference, images: Tensor) -> Sequence[Scores]:
        result = inference.infer(images, self.settings)
        columns = [result.scores, result.distances, result.upper_bounds]
        if self.explain:
            columns.append((inference.reconstruct(result.latents).clamp(0, 1) * 255).round().to(torch.uint8))
        return [Scores(*row) for row in zip(*(column.cpu().numpy() for column in columns), strict=True)]


@dataclass(frozen=True)
class Certify(Job[Bounds]):
    """Within which L2 distance does exact inference keep its prediction?"""

    settings: QuasiNewtonSettings = EXACT_INFERENCE

    def run(self, inference: LatentInference, images: Tensor) -> Sequence[Bounds]:
        certificate = certify_exact_inference(inference, images, self.settings)
        rows = zip(
            certificate.predictions.tolist(), certificate.radii.tolist(), certificate.bounds.cpu().numpy(), strict=True
        )
        return [Bounds(*row) for row in rows]
