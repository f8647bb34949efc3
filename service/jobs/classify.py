"""Which class is it?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eabs.settings import (
    EFFORTS,
    PAPER_SETTINGS,
    Effort,
    InferenceSettings,
    QuasiNewtonSettings,
    Solver,
    name_of,
)
from service.jobs.job import Classifiers, Floats, Job, Outcome, rows_of, with_progress


@dataclass(frozen=True)
class Scores(Outcome):
    """Of every class: l_k and d_k (K,), and whether it was given up, so that both are upper bounds (K,) bool. What it
    made of the image as (K, C, H, W) uint8 where the job asked for it: its best re-creation, its nearest prototype.
    """

    scores: Floats
    distances: Floats
    upper_bounds: NDArray[np.bool_]
    reconstructions: NDArray[np.uint8] | None = None

    @property
    def prediction(self) -> int:
        """argmin_k l_k."""
        return int(self.scores.argmin())


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


@dataclass(frozen=True)
class Classify(Job[Scores]):
    """Which class made this image, by latent inference (6)? `explain` asks for what every class made of it, too."""

    settings: InferenceSettings
    explain: bool = False

    @classmethod
    def by_effort(cls, model: str, effort: Effort) -> "Classify":
        """The job of one of the named efforts."""
        return cls(model, EFFORTS[effort])

    @property
    def lanes(self) -> int:
        return self.settings.starts

    @property
    def effort(self) -> str:
        return name_of(self.settings)

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Scores]:
        inference = classifiers.latent
        result = inference.infer(images, self.settings)
        columns = [result.scores, result.distances, result.upper_bounds]
        if self.explain:
            columns.append(_as_bytes(inference.reconstruct(result.latents)))
        tells = isinstance(self.settings, QuasiNewtonSettings)
        return with_progress(_rows(columns), result.steps, result.converged if tells else None)


@dataclass(frozen=True)
class ClassifyByPrototypes(Job[Scores]):
    """Which class has the nearest prototype? `explain` asks for every class's nearest, too."""

    explain: bool = False

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Scores]:
        bank = classifiers.bank
        found = bank.classify(images)
        # Rounding to float32 could make a tie of two classes, and another of them win it.
        scores = _keep_the_first(found.scores.float(), found.predictions)
        columns = [scores, found.distances.float(), torch.zeros_like(scores, dtype=torch.bool)]
        if self.explain:
            columns.append(_as_bytes(bank.pictures(found.nearest)))
        return _rows(columns)


def _keep_the_first(scores: Tensor, predictions: Tensor) -> Tensor:
    """The scores (B, K), that of the prediction (B,) a float lower where another class's has come to equal it."""
    own = scores.gather(1, predictions[:, None])
    tied = (scores.argmin(1) != predictions)[:, None]
    lower = torch.nextafter(own, torch.full_like(own, -torch.inf))
    return scores.scatter(1, predictions[:, None], torch.where(tied, lower, own))


def _as_bytes(pictures: Tensor) -> Tensor:
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8)


def _rows(columns: Sequence[Tensor]) -> list[Scores]:
    return [Scores(*row) for row in zip(*map(rows_of, columns), strict=True)]
