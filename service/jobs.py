"""What the engine can be asked about images: one class a question, with the answer's type beside it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eabs.certificate import EXACT_INFERENCE, certify_exact_inference
from eabs.inference import EFFORTS, Effort, InferenceSettings, LatentInference

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
    """Latent inference, equation (6): l_k and d_k (K,), and G_k(z_k) as (K, C, H, W) uint8."""

    scores: Floats
    distances: Floats
    reconstructions: NDArray[np.uint8]

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
    """Which class made this image?"""

    @classmethod
    def by_effort(cls, model: str, effort: Effort) -> "Classify":
        """The job of one of the named efforts."""
        return cls(model, EFFORTS[effort])

    def run(self, inference: LatentInference, images: Tensor) -> Sequence[Scores]:
        result = inference.infer(images, self.settings)
        reconstructions = (result.reconstructions.clamp(0, 1) * 255).round().to(torch.uint8)
        columns = (result.scores, result.distances, reconstructions)
        return [Scores(*row) for row in zip(*(column.cpu().numpy() for column in columns), strict=True)]


@dataclass(frozen=True)
class Certify(Job[Bounds]):
    """Within which L2 distance does exact inference keep its prediction?"""

    settings: InferenceSettings = EXACT_INFERENCE

    def run(self, inference: LatentInference, images: Tensor) -> Sequence[Bounds]:
        certificate = certify_exact_inference(inference, images, self.settings)
        rows = zip(
            certificate.predictions.tolist(), certificate.radii.tolist(), certificate.bounds.cpu().numpy(), strict=True
        )
        return [Bounds(*row) for row in rows]
