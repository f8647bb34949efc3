"""The attacked images that `eabs evaluate robustness` keeps beside its report, and what was answered at them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from training.attacks.ball import Norm
from training.reports.merging import attack_names
from training.reports.report_file import ReportError, RobustnessReport

_CLEAN = "clean"

Images = NDArray[np.float32]
"""(n, C, H, W) in [0, 1]."""


@dataclass(frozen=True)
class AnsweredImages:
    """Images and the classes that were answered; None for one that was not attacked, being misclassified as it is."""

    images: Images
    answers: list[str | None]


@dataclass(frozen=True)
class AttackedImages(AnsweredImages):
    """As an attack within `epsilon` by `norm` left them."""

    norm: Norm
    epsilon: float


@dataclass(frozen=True)
class Pictures:
    """The first n images of a report, by their `indices`: what they show, and `attacked` by the attacks' names."""

    indices: list[int]
    labels: list[str]
    clean: AnsweredImages
    attacked: dict[str, AttackedImages]


def read_pictures(folder: Path, report: RobustnessReport) -> Pictures | None:
    """The images that lie beside a report in its `folder`; None where it has none.

    Raises:
        ReportError: the file cannot be read, or holds something else; the message names the file and the tensor.
    """
    if report.picture_file is None:
        return None
    path = folder / report.picture_file
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ReportError(f"{path}: expected the attacked images of the report: {error}") from error
    for name in (_CLEAN, *report.attacks):
        if name not in tensors:
            raise ReportError(f"{path}: {name}: expected its images, got none")
        _require_images(path, name, tensors[name], like=tensors[_CLEAN], most=report.images)
    count = len(tensors[_CLEAN])

    def named(answers: Sequence[int | None]) -> list[str | None]:
        return [None if answer is None else report.classes[answer] for answer in answers[:count]]

    return Pictures(
        indices=report.indices[:count],
        labels=[report.classes[label] for label in report.labels[:count]],
        clean=AnsweredImages(tensors[_CLEAN], named(report.predictions)),
        attacked={
            name: AttackedImages(tensors[name], named(outcome.predictions), outcome.norm, outcome.epsilon)
            for name, outcome in report.attacks.items()
        },
    )


def joined(reports: Sequence[RobustnessReport], pictures: Sequence[Pictures | None]) -> Pictures | None:
    """The pictures of several reports of one model, as far as they show the same images; None where none has any.

    Args:
        reports: the reports.
        pictures: what lies beside each.
    """
    first = next((found for found in pictures if found is not None), None)
    if first is None:
        return None
    attacked = {
        new: found.attacked[old]
        for found, names in zip(pictures, attack_names(reports), strict=True)
        if found is not None and found.indices == first.indices
        for old, new in names.items()
    }
    return replace(first, attacked=attacked)


def _require_images(path: Path, name: str, found: Images, *, like: Images, most: int) -> None:
    if found.dtype != np.float32 or found.ndim != 4 or found.shape[1] not in (1, 3) or found.shape != like.shape:
        expected = f"(n, 1 or 3, H, W) float32 as {_CLEAN}"
        raise ReportError(f"{path}: {name}: expected {expected}, got {found.shape} {found.dtype}")
    if not 0 < len(found) <= most:
        raise ReportError(f"{path}: {name}: expected 1 to {most} images, as the report has, got {len(found)}")
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise ReportError(f"{path}: {name}: expected pixels in [0, 1]")
