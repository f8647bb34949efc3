"""Results of `eabs evaluate`, as they are published with the model that they speak of.

A result names the weights, and the prototype bank where it has a part, by their digests. What it says image by image
is reduced to numbers of images.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from model_store import AccuracyEvaluation, CertifiedAt, CertifiedEvaluation, Evaluation, RobustnessEvaluation
from training.attacks.ball import NORMS, Norm
from training.reports.merging import merged
from training.reports.report_file import ReportError, RobustnessReport

_ANSWERING = ("served", "attacked", "candidates")


class EvaluationError(Exception):
    """A file is no result of `eabs evaluate`, or of another model."""


@dataclass(frozen=True)
class Measured:
    """Whom results may speak of: a data set's name, and `sha256:<hex>` of the weights and of a bank if there is one."""

    dataset: str
    weights: str
    prototypes: str | None = None


@dataclass(frozen=True)
class _Claim:
    """What a result says that it is of, beside what it should be of."""

    what: str
    expected: str | None
    found: str | None


def read_evaluations(files: Sequence[Path], measured: Measured) -> tuple[Evaluation, ...]:
    """The JSON files of `eabs evaluate accuracy|certified|robustness` as they stand in a manifest.

    Several reports of the same answers to the same images become one, whose worst case is that of all their attacks,
    unless they have an attack in common or go to other epsilons.

    Raises:
        EvaluationError: one is none, or of another model than `measured`.
    """
    results = [_read(file, measured) for file in files]
    reports = _joined(result for result in results if isinstance(result, RobustnessReport))
    others = (result for result in results if not isinstance(result, RobustnessReport))
    return (*others, *map(_robustness, reports))


def _read(file: Path, measured: Measured) -> Evaluation | RobustnessReport:
    try:
        result, claims = _parse(json.loads(file.read_text()), measured)
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{file}: expected the JSON of `eabs evaluate accuracy`, `certified` or `robustness`: {error}"
        ) from error
    for claim in claims:
        if claim.found != claim.expected:
            raise EvaluationError(f"{file}: expected a result of the {claim.what} {claim.expected}, got {claim.found}")
    return result


def _parse(raw: object, measured: Measured) -> tuple[Evaluation | RobustnessReport, list[_Claim]]:
    """By a key that no other result has."""
    if isinstance(raw, dict) and "attacks" in raw:
        report = RobustnessReport.model_validate(raw)
        _robustness(report)  # what cannot stand in a manifest is told with its file
        return report, [
            _Claim("data set", measured.dataset, report.dataset),
            _Claim("weights", measured.weights, report.subject.identity.get("weights")),
        ]
    if isinstance(raw, dict) and "certified" in raw:
        return _certified(_Certified.model_validate(raw), measured)
    return _accuracy(_Accuracy.model_validate(raw), measured)


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


class _Certified(BaseModel):
    model: _Model
    split: Literal["test", "validation"]
    certificate: Literal["exact-inference", "finite-bank", "smoothing"]
    sound: bool
    base: str | None
    smoothing: dict[str, Any] | None
    images: int
    clean: Annotated[float, Field(ge=0, le=1)]
    certified: dict[float, Annotated[float, Field(ge=0, le=1)]]


def _accuracy(result: _Accuracy, measured: Measured) -> tuple[Evaluation, list[_Claim]]:
    evaluation = AccuracyEvaluation(
        split=result.split,
        images=result.images,
        settings={"classifier": "latent", "solver": result.solver, "effort": result.effort},
        correct=result.correct,
    )
    return evaluation, [_Claim("weights", measured.weights, result.model.weights)]


def _certified(result: _Certified, measured: Measured) -> tuple[Evaluation, list[_Claim]]:
    images = result.images
    evaluation = CertifiedEvaluation(
        split=result.split,
        images=images,
        settings={} if result.smoothing is None else {"base": result.base, **result.smoothing},
        certificate=result.certificate,
        sound=result.sound,
        clean=round(result.clean * images),
        radii=tuple(
            CertifiedAt(radius=radius, certified=round(share * images))
            for radius, share in sorted(result.certified.items())
        ),
    )
    claims = [_Claim("weights", measured.weights, result.model.weights)]
    if "finite-bank" in (result.certificate, result.base):
        claims.append(_Claim("prototype bank", measured.prototypes, result.model.prototypes))
    return evaluation, claims


def _robustness(report: RobustnessReport) -> RobustnessEvaluation:
    return RobustnessEvaluation.model_validate(
        {
            "split": report.split,
            "images": report.images,
            "settings": _answering(report),
            "seed": report.seed,
            "clean": sum(report.clean),
            "attacks": {
                name: attack.model_dump(include={"norm", "epsilon", "settings"}) | {"robust": sum(attack.robust)}
                for name, attack in report.attacks.items()
            },
            "worst_case": [
                {"norm": norm, "epsilon": epsilon, "robust": _standing(report, norm)}
                for norm in NORMS
                if (epsilon := report.epsilon(norm)) is not None
            ],
        }
    )


def _joined(reports: Iterable[RobustnessReport]) -> list[RobustnessReport]:
    """Each as part of the first one that it can be merged with."""
    found: list[RobustnessReport] = []
    for report in reports:
        for place, other in enumerate(found):
            if (other.seed, _answering(other)) == (report.seed, _answering(report)):
                with suppress(ReportError):
                    found[place] = merged([other, report])
                    break
        else:
            found.append(report)
    return found


def _answering(report: RobustnessReport) -> dict[str, Any]:
    """What answered, and what attacks saw of it."""
    identity = report.subject.identity
    return {name: identity[name] for name in _ANSWERING if name in identity}


def _standing(report: RobustnessReport, norm: Norm) -> int:
    """How many images withstand every attack of a norm."""
    outcomes = [attack.robust for attack in report.attacks.values() if attack.norm == norm]
    return sum(all(image) for image in zip(report.clean, *outcomes, strict=True))
