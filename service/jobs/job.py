"""What a question to the engine is, and what it is asked of."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank

Floats = NDArray[np.float32]

Classifier = Literal["latent", "finite-bank"]
"""What decides: latent inference, or the nearest prototype of the model's bank."""


@dataclass(frozen=True)
class Classifiers:
    """A model's classifiers on one device: latent inference, and its prototype bank if it has one."""

    latent: LatentInference
    prototypes: PrototypeBank | None = None

    @property
    def bank(self) -> PrototypeBank:
        """The bank of a model that has one; who asks has made sure of it."""
        assert self.prototypes is not None  # noqa: S101
        return self.prototypes


@dataclass(frozen=True)
class Outcome:
    """The engine's answer about one image, and how latent inference got there.

    `steps`: the gradients that it took for the image, None where it had no part. `converged`: whether no class used
    up its steps while it could still win, None where nothing tells.
    """

    steps: int | None = field(default=None, kw_only=True)
    converged: bool | None = field(default=None, kw_only=True)

    @property
    def nbytes(self) -> int:
        """Memory that keeping it takes, in bytes."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))


T = TypeVar("T", bound=Outcome)


def with_progress(outcomes: Sequence[T], steps: Tensor, converged: Tensor | None) -> list[T]:
    """The outcomes of B images with the `steps` (B,) that each took and whether it `converged` (B,)."""
    ends = [None] * len(outcomes) if converged is None else converged.tolist()
    progress = zip(outcomes, steps.tolist(), ends, strict=True)
    return [replace(outcome, steps=count, converged=end) for outcome, count, end in progress]


T_co = TypeVar("T_co", bound=Outcome, covariant=True)


@dataclass(frozen=True)
class Job(ABC, Generic[T_co]):
    """A question about images of one model. Equal jobs can be answered together. `model` is the model's digest."""

    model: str

    @property
    def lanes(self) -> int:
        """How much of a batch's room one image takes."""
        return 1

    @property
    def kind_of_work(self) -> Hashable:
        """Jobs of one kind take as long as each other, and as much memory, for each lane. There are few kinds."""
        return self

    @property
    def effort(self) -> str | None:
        """How latent inference is done, in one of few words that metrics count by; None where it has no part."""
        return None

    @abstractmethod
    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[T_co]:
        """Answers for images (B, C, H, W) float32 in [0, 1], one each, in their order."""


def answer_class(job: Job[T_co]) -> type[T_co]:
    """The class of a job's answers: what stands in the brackets of its base `Job[...]`."""
    bases: list[Any] = [base for kind in type(job).__mro__ for base in kind.__dict__.get("__orig_bases__", ())]
    (answers,) = (get_args(base)[0] for base in bases if get_origin(base) is Job)
    found: type[T_co] = answers
    return found


def rows_of(column: Tensor) -> list[NDArray[Any]]:
    """The rows of a batch's (B, ...) tensor, each with memory of its own: one that is kept keeps no other alive."""
    return [row.copy() for row in column.cpu().numpy()]
