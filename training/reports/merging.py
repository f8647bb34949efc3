"""Several reports of one model as one: of other suites, or of attacks through something else of the model."""

from collections.abc import Sequence

from pydantic import ValidationError

from training.reports.report_file import ReportError, RobustnessReport, explanation


def merged(reports: Sequence[RobustnessReport]) -> RobustnessReport:
    """One report with the attacks of all; an image is right when clean if every report says so.

    Of two curves of one norm the first is kept.

    Args:
        reports: of one model on the same images, at least one.

    Raises:
        ReportError: the model is another one or answers otherwise, the images or the epsilons differ, or an attack
            comes twice.
    """
    first, *others = reports
    if not others:
        return first
    name = first.subject.name
    for other in others:
        for field in ("weights", "served"):
            wanted, found = (report.subject.identity.get(field) for report in (first, other))
            if found != wanted:
                raise ReportError(f"{name}: {field}: expected the same in all its reports, got {wanted} and {found}")
        for field in ("split", "indices", "labels", "samples_digest"):
            if getattr(other, field) != getattr(first, field):
                raise ReportError(f"{name}: {field}: expected the same images in all its reports, got others")
    renamed = zip(reports, attack_names(reports), strict=True)
    both = {
        "clean": [all(answers) for answers in zip(*(report.clean for report in reports), strict=True)],
        "attacks": {new: report.attacks[old] for report, names in renamed for old, new in names.items()},
        "curves": {norm: curve for report in reversed(reports) for norm, curve in report.curves.items()},
    }
    try:
        return RobustnessReport.model_validate(first.model_copy(update=both).model_dump(by_alias=True))
    except ValidationError as error:
        raise ReportError(f"{name}: {explanation(error)}") from error


def attack_names(reports: Sequence[RobustnessReport]) -> list[dict[str, str]]:
    """For each report of one model, what its attacks are called among those of all.

    One that an earlier report has too, but through something else of the model, is called by what it went through.

    Raises:
        ReportError: an attack comes twice through the same.
    """
    known: dict[str, object] = {}
    found = []
    for report in reports:
        through = report.subject.identity.get("attacked")
        names = {name: f"{name} ({through})" if name in known else name for name in report.attacks}
        for name, new in names.items():
            if new in known or (new != name and known[name] == through):
                raise ReportError(f"{report.subject.name}: attacks.{name}: expected in one of its reports, got in two")
        known |= dict.fromkeys(names.values(), through)
        found.append(names)
    return found
