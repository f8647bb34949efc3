"""What was measured of a published model, in numbers of images."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from model_store.fields import Count, Frozen, Positive

Settings = dict[str, str | int | float | bool | None]
Norm = Literal["linf", "l2"]
PositiveFloat = Annotated[float, Field(gt=0)]


class _Measured(Frozen):
    """Images of a split of the model's data set; `settings` say how they were classified."""

    split: Literal["test", "validation"]
    images: Positive
    settings: Settings


class AccuracyEvaluation(_Measured):
    """So many of the images are classified as labelled."""

    kind: Literal["accuracy"] = "accuracy"
    correct: Count

    @model_validator(mode="after")
    def _counts(self) -> "AccuracyEvaluation":
        _check_at_most("correct", self.correct, self.images)
        return self


class AttackOutcome(Frozen):
    """How many images are classified as labelled and still are after an attack within `epsilon`, in [0, 1] pixels."""

    norm: Norm
    epsilon: PositiveFloat
    settings: Settings
    robust: Count


class WorstCase(Frozen):
    """How many images withstand every attack of a norm and an `epsilon`."""

    norm: Norm
    epsilon: PositiveFloat
    robust: Count


class RobustnessEvaluation(_Measured):
    """`clean` of the images are classified as labelled, and less under attacks, by their names. `seed` drew the images
    and what is random in the attacks."""

    kind: Literal["robustness"] = "robustness"
    seed: Count
    clean: Count
    attacks: dict[str, AttackOutcome] = Field(min_length=1)
    worst_case: tuple[WorstCase, ...]

    @model_validator(mode="after")
    def _counts(self) -> "RobustnessEvaluation":
        _check_at_most("clean", self.clean, self.images)
        for name, found in self.attacks.items():
            _check_at_most(f"{name}: robust", found.robust, self.clean)
        for worst in self.worst_case:
            alike = [one.robust for one in self.attacks.values() if (one.norm, one.epsilon) == _ball(worst)]
            _check_at_most(f"worst_case: robust in {worst.norm}", worst.robust, min(alike, default=0))
        return self


class CertifiedAt(Frozen):
    """How many images are classified as labelled and certified so at an L2 `radius`, in [0, 1] pixels."""

    radius: Annotated[float, Field(ge=0)]
    certified: Count


class CertifiedEvaluation(_Measured):
    """The classifier that a certificate speaks of is right about `clean` of the images, and certified so about less.
    `sound` says whether the certificate is a proof."""

    kind: Literal["certified"] = "certified"
    certificate: Literal["exact-inference", "finite-bank", "smoothing"]
    sound: bool
    clean: Count
    radii: tuple[CertifiedAt, ...]

    @model_validator(mode="after")
    def _counts(self) -> "CertifiedEvaluation":
        _check_at_most("clean", self.clean, self.images)
        for at in self.radii:
            _check_at_most(f"certified at {at.radius:g}", at.certified, self.clean)
        return self


Evaluation = Annotated[AccuracyEvaluation | RobustnessEvaluation | CertifiedEvaluation, Field(discriminator="kind")]


def _ball(worst: WorstCase) -> tuple[Norm, float]:
    return worst.norm, worst.epsilon


def _check_at_most(name: str, count: int, limit: int) -> None:
    if count > limit:
        raise ValueError(f"{name}: expected at most {limit} images, got {count}")
