"""The file that `eabs evaluate robustness` writes: for every image, whether the answer held under each attack."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError, model_validator

from training.attacks.ball import NORMS, Norm

_OF_EVERY_IMAGE = ("robust", "predictions", "distances")

Bools = NDArray[np.bool_]
"""(N,): one answer an image, in the order of the report's indices."""

Epsilon = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FileName = Annotated[str, Field(pattern=r"^[^/\\]+\.safetensors$")]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ReportError(ValueError):
    """A file is no report, or reports that cannot stand side by side."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReportSubject(_Part):
    """Which classifier was attacked, of which kind (as in `eabs train --model`), and whatever else identifies it."""

    name: Annotated[str, Field(min_length=1)]
    kind: Annotated[str, Field(min_length=1)]
    identity: dict[str, Any]


class AttackOutcome(_Part):
    """What one attack within `epsilon` left: `robust` says of every image whether its label was still answered.

    - `predictions`: the answers at the attacked images, None where an image was not attacked, being misclassified
      as it is.
    - `distances`: by `norm`, of the images that fell; None for the others.
    - `seconds`: of the whole attack.
    """

    norm: Norm
    epsilon: Epsilon
    settings: dict[str, Any]
    robust: list[StrictBool]
    predictions: list[StrictInt | None]
    distances: list[Distance | None]
    seconds: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        farthest = max((distance for distance in self.distances if distance is not None), default=0.0)
        if farthest > self.epsilon * (1 + 1e-6):
            raise ValueError(f"distances: expected at most epsilon, {self.epsilon:g}, got {farthest:g}")
        return self


class Curve(_Part):
    """`attack`'s outcomes at each of `epsilons`, ascending: `robust` (E, N)."""

    attack: str
    epsilons: Annotated[list[Epsilon], Field(min_length=1)]
    robust: list[list[StrictBool]]

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if any(one >= other for one, other in pairwise(self.epsilons)):
            raise ValueError("epsilons: expected an ascending order")
        if len(self.robust) != len(self.epsilons):
            count = len(self.epsilons)
            raise ValueError(f"robust: expected {count} lists, one for each of epsilons, got {len(self.robust)}")
        return self


class RobustnessReport(_Part):
    """One model's answers on the same N images, clean and under each attack.

    - `classes`: what the K labels are called.
    - `indices`: the images' places in the split; `labels`: what they show.
    - `samples_digest`: of images and labels; None where the report was restricted to some of them.
    - `clean`: whether an image is classified as labelled as it is; `predictions`: as what.
    - `attacks`: by their names; `curves`: by the norm, where they were measured.
    - `picture_file`: attacked images of the first of them, a file's name in the report's own folder.
    """

    subject: ReportSubject
    dataset: Annotated[str, Field(min_length=1)]
    classes: Annotated[list[str], Field(min_length=1)]
    split: Annotated[str, Field(min_length=1)]
    indices: Annotated[list[StrictInt], Field(min_length=1)]
    labels: list[StrictInt]
    samples_digest: str | None
    seed: int
    clean: list[StrictBool]
    predictions: list[StrictInt]
    attacks: dict[str, AttackOutcome]
    curves: dict[Norm, Curve] = {}
    picture_file: Annotated[FileName | None, Field(alias="images")] = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        images = len(self.indices)
        if len(set(self.indices)) != images:
            raise ValueError("indices: expected every image once")
        lengths = {name: len(getattr(self, name)) for name in ("labels", "clean", "predictions")}
        for name, attack in self.attacks.items():
            lengths |= {f"attacks.{name}.{part}": len(getattr(attack, part)) for part in _OF_EVERY_IMAGE}
        for norm, curve in self.curves.items():
            lengths |= {f"curves.{norm}.robust.{place}": len(robust) for place, robust in enumerate(curve.robust)}
        for field, length in lengths.items():
            if length != images:
                raise ValueError(f"{field}: expected {images} entries, one for each of indices, got {length}")
        if not all(0 <= label < len(self.classes) for label in self.labels):
            raise ValueError(f"labels: expected 0 to {len(self.classes) - 1}, as many as classes, got others")
        for norm in NORMS:
            sizes = {attack.epsilon: name for name, attack in self.attacks.items() if attack.norm == norm}
            if len(sizes) > 1:
                found = " and ".join(f"{epsilon:g} ({name})" for epsilon, name in sizes.items())
                raise ValueError(f"attacks: expected one epsilon for all {norm} attacks, got {found}")
        return self

    @property
    def images(self) -> int:
        """N, how many were attacked."""
        return len(self.indices)

    def epsilon(self, norm: Norm) -> float | None:
        """How far the attacks of a norm went; None where there are none."""
        return next((attack.epsilon for attack in self.attacks.values() if attack.norm == norm), None)

    def restricted_to(self, indices: set[int]) -> "RobustnessReport":
        """The report as it would be of these of its images alone, in ascending order, so that reports agree in it."""
        place_of = {index: place for place, index in enumerate(self.indices)}
        kept = [place_of[index] for index in sorted(indices)]
        attacks = {
            name: attack.model_copy(
                update={part: [getattr(attack, part)[place] for place in kept] for part in _OF_EVERY_IMAGE}
            )
            for name, attack in self.attacks.items()
        }
        curves = {
            norm: curve.model_copy(update={"robust": [[robust[place] for place in kept] for robust in curve.robust]})
            for norm, curve in self.curves.items()
        }
        parts = ("indices", "labels", "clean", "predictions")
        whole = {part: [getattr(self, part)[place] for place in kept] for part in parts}
        return self.model_copy(update=whole | {"samples_digest": None, "attacks": attacks, "curves": curves})


def read_report(path: Path) -> RobustnessReport:
    """Reads and checks one report.

    Raises:
        ReportError: the file is not there, or is not a report; the message names the file and the field.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}") from error
    try:
        return RobustnessReport.model_validate_json(text)
    except ValidationError as error:
        raise ReportError(f"{path}: {explanation(error)}") from error


def explanation(error: ValidationError) -> str:
    """The first complaint with the field that it is about, and how many more there are."""
    first, *others = error.errors(include_url=False)
    field = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{f'{field}: ' if field else ''}{message}{f' (and {len(others)} more)' if others else ''}"
