"""Results of `eabs evaluate`, as they are published with the model that they speak of.

A result names the weights, and the prototype bank where it has a part, by their digests. What it says image by image
is reduced to numbers of images.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from model_store import (
    AccuracyEvaluation,
    AttackOutcome,
    CertifiedAt,
    CertifiedEvaluation,
    Evaluation,
    RobustnessEvaluation,
    WorstCase,
)

Fact = str | int | float | bool | None
Share = Annotated[float, Field(ge=0, le=1)]

_ANSWERING = ("served", "attacked", "candidates")


class EvaluationError(Exception):
    """A file is no result of `eabs evaluate`, or of another model."""


@dataclass(frozen=True)
class Measured:
    """Whom results may speak of: a data set's name, and `sha256:<hex>` of the weights and of a bank if there is one."""

    dataset: str
    weights: str
    prototypes: str | None = None


def read_evaluation(file: Path, measured: Measured) -> Evaluation:
    """The JSON of `eabs evaluate accuracy|certified|robustness` as it stands in a manifest.

    Raises:
        EvaluationError: it is none, or of another model than `measured`.
    """
    try:
        raw = json.loads(file.read_text())
        result = _kind_of(raw).model_validate(raw)
        evaluation = result.evaluation()
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{file}: expected the JSON of `eabs evaluate accuracy`, `certified` or `robustness`: {error}"
        ) from error
    for what, expected, found in result.identities(measured):
        if found != expected:
            raise EvaluationError(f"{file}: expected a result of the {what} {expected}, got one of {found}")
    return evaluation


class _Model(BaseModel):
    weights: str
    prototypes: str | None = None


class _Accuracy(BaseModel):
    model: _Model
    split: Literal["test", "validation"]
    solver: str
    effort: str | None
    images: int
    correct: int

    def identities(self, measured: Measured) -> list[tuple[str, str | None, str | None]]:
        return [("weights", measured.weights, self.model.weights)]

    def evaluation(self) -> AccuracyEvaluation:
        settings: dict[str, Fact] = {"classifier": "latent", "solver": self.solver, "effort": self.effort}
        return AccuracyEvaluation(split=self.split, images=self.images, settings=settings, correct=self.correct)


class _Certified(BaseModel):
    model: _Model
    split: Literal["test", "validation"]
    certificate: Literal["exact-inference", "finite-bank", "smoothing"]
    sound: bool
    base: str | None
    smoothing: dict[str, Fact] | None
    images: int
    clean: Share
    certified: dict[float, Share]

    def identities(self, measured: Measured) -> list[tuple[str, str | None, str | None]]:
        weights = ("weights", measured.weights, self.model.weights)
        if "finite-bank" in (self.certificate, self.base):
            return [weights, ("prototype bank", measured.prototypes, self.model.prototypes)]
        return [weights]

    def evaluation(self) -> CertifiedEvaluation:
        return CertifiedEvaluation(
            split=self.split,
            images=self.images,
            settings={} if self.smoothing is None else {"base": self.base, **self.smoothing},
            certificate=self.certificate,
            sound=self.sound,
            clean=round(self.clean * self.images),
            radii=tuple(
                CertifiedAt(radius=radius, certified=round(share * self.images))
                for radius, share in sorted(self.certified.items())
            ),
        )


class _Subject(BaseModel):
    identity: dict[str, Any]


class _Attack(BaseModel):
    norm: Literal["linf", "l2"]
    epsilon: float
    settings: dict[str, Fact]
    robust: list[bool]


class _Robustness(BaseModel):
    subject: _Subject
    dataset: str
    split: Literal["test", "validation"]
    seed: int
    clean: list[bool]
    attacks: dict[str, _Attack]

    @model_validator(mode="after")
    def _fits_together(self) -> "_Robustness":
        for name, attack in self.attacks.items():
            if len(attack.robust) != len(self.clean):
                raise ValueError(f"{name}: expected {len(self.clean)} outcomes, got {len(attack.robust)}")
        return self

    def identities(self, measured: Measured) -> list[tuple[str, str | None, str | None]]:
        return [
            ("data set", measured.dataset, self.dataset),
            ("weights", measured.weights, self.subject.identity.get("weights")),
        ]

    def evaluation(self) -> RobustnessEvaluation:
        identity = self.subject.identity
        return RobustnessEvaluation(
            split=self.split,
            images=len(self.clean),
            settings={name: identity[name] for name in _ANSWERING if name in identity},
            seed=self.seed,
            clean=sum(self.clean),
            attacks={
                name: AttackOutcome(
                    norm=attack.norm, epsilon=attack.epsilon, settings=attack.settings, robust=sum(attack.robust)
                )
                for name, attack in self.attacks.items()
            },
            worst_case=_worst_cases(self.clean, self.attacks),
        )


def _worst_cases(clean: list[bool], attacks: Mapping[str, _Attack]) -> tuple[WorstCase, ...]:
    standing: dict[tuple[Literal["linf", "l2"], float], list[bool]] = defaultdict(lambda: clean)
    for attack in attacks.values():
        ball = (attack.norm, attack.epsilon)
        standing[ball] = [both and one for both, one in zip(standing[ball], attack.robust, strict=True)]
    return tuple(WorstCase(norm=norm, epsilon=epsilon, robust=sum(all_)) for (norm, epsilon), all_ in standing.items())


def _kind_of(raw: object) -> type[_Accuracy] | type[_Certified] | type[_Robustness]:
    """Which result the JSON is, by a key that no other one has."""
    if isinstance(raw, dict) and "attacks" in raw:
        return _Robustness
    if isinstance(raw, dict) and "certified" in raw:
        return _Certified
    return _Accuracy
