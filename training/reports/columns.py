"""The columns of a robustness table: models of one data set that may stand side by side."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from training.attacks.ball import NORMS, Norm
from training.reports.report_file import ReportError, RobustnessReport

HEADINGS = {
    "cnn": "CNN",
    "adv-linf": "Adv-Linf",
    "adv-l2": "Adv-L2",
    "abs": "ABS",
    "a-abs": "A-ABS",
    "d-abs": "D-ABS",
    "v-abs": "V-ABS",
    "ad-abs": "AD-ABS",
    "av-abs": "AV-ABS",
    "dv-abs": "DV-ABS",
    "e-abs": "E-ABS",
}
"""Kinds of model as the paper's tables call them, in their order."""


def arranged(reports: Mapping[Path, RobustnessReport]) -> dict[str, list[Path]]:
    """Which files speak of the model of which column, by its heading, in the paper's order.

    A heading is the kind of model, with the model's name where there are several of one kind.
    """
    order = list(HEADINGS)
    models: dict[tuple[str, str], list[Path]] = {}
    for path, report in reports.items():
        models.setdefault((report.subject.kind, report.subject.name), []).append(path)
    kinds = Counter(kind for kind, _ in models)
    columns = {}
    for kind, name in sorted(models, key=lambda model: order.index(model[0]) if model[0] in HEADINGS else len(order)):
        heading = HEADINGS.get(kind, kind)
        columns[f"{heading} ({name})" if kinds[kind] > 1 else heading] = models[kind, name]
    return columns


def require_comparable(columns: Mapping[str, RobustnessReport]) -> None:
    """Models are compared on the same images, and on attacks that may go equally far.

    Raises:
        ReportError: data set, split, classes, images, labels or an epsilon differ; the message names the two models.
    """
    for (name, first), (other_name, second) in pairwise(columns.items()):
        between = f"{name} and {other_name} cannot be compared"
        for field in ("dataset", "split", "classes"):
            one, other = getattr(first, field), getattr(second, field)
            if one != other:
                raise ReportError(f"{between}: {field}: expected the same, got {one} and {other}")
        if first.indices != second.indices:
            found = _difference(first, second)
            raise ReportError(f"{between}: indices: expected the same images in the same order, got {found}")
        for field in ("labels", "samples_digest"):
            if getattr(first, field) != getattr(second, field):
                raise ReportError(f"{between}: {field}: expected the same, got others though the indices are equal")
    for norm in NORMS:
        sizes = {size: name for name, report in columns.items() if (size := report.epsilon(norm)) is not None}
        if len(sizes) > 1:
            found = " and ".join(f"{size:g} ({name})" for size, name in sizes.items())
            raise ReportError(f"the models cannot be compared: expected one epsilon for {norm}, got {found}")


def epsilon_of(columns: Mapping[str, RobustnessReport], norm: Norm) -> float | None:
    """How far the attacks of a norm went on comparable models; None where there are none."""
    return next((size for report in columns.values() if (size := report.epsilon(norm)) is not None), None)


def on_common_images(reports: Mapping[Path, RobustnessReport]) -> dict[Path, RobustnessReport]:
    """The reports restricted to the images that all of them have.

    Raises:
        ReportError: there are none.
    """
    common = set.intersection(*(set(report.indices) for report in reports.values()))
    if not common:
        raise ReportError(f"{', '.join(map(str, reports))}: expected images that all of them have, got none")
    return {path: report.restricted_to(common) for path, report in reports.items()}


def _difference(first: RobustnessReport, second: RobustnessReport) -> str:
    if first.images != second.images:
        return f"{first.images} and {second.images} images"
    place = next(place for place in range(first.images) if first.indices[place] != second.indices[place])
    return f"{first.indices[place]} and {second.indices[place]} in place {place}"
