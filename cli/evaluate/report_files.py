"""The files that `eabs evaluate report` writes for a data set: figures, and entries for a leaderboard."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from cli.evaluate.attacked_figure import PictureRow, draw_attacked
from cli.evaluate.curve_figure import draw_curves
from training.attacks.ball import NORMS
from training.reports.markdown import epsilon_text, title_of
from training.reports.pictures import AttackedImages, Pictures
from training.reports.report_file import RobustnessReport
from training.reports.robustbench import THREAT_MODELS, robustbench_entry
from training.reports.rows import NORM_TITLES


def write_files(out: Path, columns: Mapping[str, RobustnessReport], pictures: Mapping[str, Pictures]) -> list[Path]:
    """Writes what can be made of the reports of one data set.

    Args:
        out: the folder, which is made.
        columns: comparable reports by their columns' headings.
        pictures: by the headings of those that have any.

    Returns:
        The files, in the order of their writing.
    """
    out.mkdir(parents=True, exist_ok=True)
    dataset = next(iter(columns.values())).dataset
    written = []
    curves = out / f"curves-{dataset}.png"
    if draw_curves(columns, curves):
        written.append(curves)
    for heading, found in pictures.items():
        path = out / f"attacked-{dataset}-{_slug(heading)}.png"
        rows = [PictureRow("clean", heading, found.clean.images, found.clean.answers)]
        rows += [_attacked_row(name, images) for name, images in found.attacked.items()]
        draw_attacked(f"{title_of(dataset)}: {heading}, clean and attacked", found.labels, rows, path)
        written.append(path)
    written += _draw_across(out, dataset, pictures)
    for heading, report in columns.items():
        for norm in NORMS:
            entry = robustbench_entry(report, norm)
            if entry is not None:
                path = out / "robustbench" / dataset / THREAT_MODELS[norm] / f"{_slug(heading)}.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(entry, indent=2) + "\n")
                written.append(path)
    return written


def _draw_across(out: Path, dataset: str, pictures: Mapping[str, Pictures]) -> list[Path]:
    """One attack, PGD of each norm: a row for each model that was attacked so, where their images are the same."""
    written = []
    for norm in NORMS:
        attack = f"pgd-{norm}"
        attacked = {heading: found for heading, found in pictures.items() if attack in found.attacked}
        if len(attacked) < 2 or len({tuple(found.indices) for found in attacked.values()}) > 1:
            continue
        first = next(iter(attacked.values()))
        rows = [PictureRow("clean", "", first.clean.images, None)]
        rows += [_attacked_row(heading, found.attacked[attack]) for heading, found in attacked.items()]
        path = out / f"attacked-{dataset}-{attack}.png"
        draw_attacked(f"{title_of(dataset)}: attacked by PGD, {NORM_TITLES[norm]}", first.labels, rows, path)
        written.append(path)
    return written


def _attacked_row(title: str, found: AttackedImages) -> PictureRow:
    reach = f"{NORM_TITLES[found.norm]} {epsilon_text(found.epsilon, found.norm)}"
    return PictureRow(title, reach, found.images, found.answers)


def _slug(heading: str) -> str:
    """A file's name for a column."""
    return re.sub(r"[^a-z0-9.]+", "-", heading.lower()).strip("-")
