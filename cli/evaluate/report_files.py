"""The files that `eabs evaluate report` writes for a data set: figures, and entries for a leaderboard."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from cli.evaluate.attacked_figure import PictureRow, draw_attacked
from cli.evaluate.curve_figure import draw_curves
from training.robustness.markdown import epsilon_text, title_of
from training.robustness.pictures import Pictures
from training.robustness.report_file import NORMS, RobustnessReport
from training.robustness.robustbench import THREAT_MODELS, robustbench_entry
from training.robustness.rows import NORM_TITLES


def write_files(
    out: Path,
    columns: Mapping[str, RobustnessReport],
    whole: Mapping[str, RobustnessReport],
    pictures: Mapping[str, Pictures | None],
) -> list[Path]:
    """Writes what can be made of the reports of one data set.

    Args:
        out: the folder, which is made.
        columns: comparable reports by their columns' headings, as the tables count them.
        whole: the same as they were read, whose first images the pictures are.
        pictures: by the same headings; None where a report has none.

    Returns:
        The files, in the order of their writing.
    """
    out.mkdir(parents=True, exist_ok=True)
    dataset = next(iter(columns.values())).dataset
    written = []
    curves = out / f"curves-{dataset}.png"
    if draw_curves(columns, curves):
        written.append(curves)
    kept = {heading: found for heading, found in pictures.items() if found is not None}
    for heading, found in kept.items():
        path = out / f"attacked-{dataset}-{_slug(heading)}.png"
        _draw_model(heading, whole[heading], found, path)
        written.append(path)
    written += _draw_across(out, {heading: whole[heading] for heading in kept}, kept)
    for heading, report in columns.items():
        for norm in NORMS:
            entry = robustbench_entry(report, norm)
            if entry is not None:
                path = out / "robustbench" / dataset / THREAT_MODELS[norm] / f"{_slug(heading)}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(entry, indent=2) + "\n")
                written.append(path)
    return written


def _draw_model(heading: str, report: RobustnessReport, pictures: Pictures, path: Path) -> None:
    """One model: a row for each attack."""
    rows = [_clean_row(report, pictures, detail=heading)]
    rows += [_attacked_row(name, report, pictures, name) for name in report.attacks]
    title = f"{title_of(report.dataset)}: {heading}, clean and attacked"
    draw_attacked(title, _labels(report, pictures), rows, path)


def _draw_across(out: Path, reports: Mapping[str, RobustnessReport], pictures: Mapping[str, Pictures]) -> list[Path]:
    """One attack, PGD of each norm: a row for each model that was attacked so, where their images are the same."""
    written = []
    for norm in NORMS:
        attack = f"pgd-{norm}"
        attacked = {heading: report for heading, report in reports.items() if attack in report.attacks}
        shown = {tuple(report.indices[: len(pictures[heading])]) for heading, report in attacked.items()}
        if len(attacked) < 2 or len(shown) > 1:
            continue
        first, report = next(iter(attacked.items()))
        rows = [
            PictureRow("clean", "", pictures[first].clean, None),
            *(_attacked_row(heading, one, pictures[heading], attack) for heading, one in attacked.items()),
        ]
        path = out / f"attacked-{report.dataset}-{attack}.png"
        title = f"{title_of(report.dataset)}: attacked by PGD within {NORM_TITLES[norm]}"
        draw_attacked(title, _labels(report, pictures[first]), rows, path)
        written.append(path)
    return written


def _clean_row(report: RobustnessReport, pictures: Pictures, *, detail: str) -> PictureRow:
    answers = [report.classes[answer] for answer in report.predictions[: len(pictures)]]
    return PictureRow("clean", detail, pictures.clean, answers)


def _attacked_row(title: str, report: RobustnessReport, pictures: Pictures, attack: str) -> PictureRow:
    outcome = report.attacks[attack]
    reach = f"{NORM_TITLES[outcome.norm]} {epsilon_text(outcome.epsilon, outcome.norm)}"
    answers = [None if answer is None else report.classes[answer] for answer in outcome.predictions[: len(pictures)]]
    return PictureRow(title, reach, pictures.attacked[attack], answers)


def _labels(report: RobustnessReport, pictures: Pictures) -> list[str]:
    return [report.classes[label] for label in report.labels[: len(pictures)]]


def _slug(heading: str) -> str:
    """A file's name for a column."""
    return re.sub(r"[^a-z0-9.]+", "-", heading.lower()).strip("-")
