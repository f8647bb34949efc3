"""Entries of a leaderboard in the form of RobustBench's `model_info/<dataset>/<threat model>/<model>.json`.

Croce et al., "RobustBench: a standardized adversarial robustness benchmark" (2021). Its accuracies are texts, in
percent with two decimals; its robust accuracy is the lower of `autoattack_acc` and `external`.
"""

from typing import Any

from training.attacks.ball import Norm
from training.reports.columns import HEADINGS
from training.reports.markdown import epsilon_text, settings_text
from training.reports.proportion import Proportion
from training.reports.report_file import RobustnessReport
from training.reports.rows import CLEAN, WORST_OF_NORM, Row

THREAT_MODELS: dict[Norm, str] = {"linf": "Linf", "l2": "L2"}

_TITLE = "E-ABS: Extending the Analysis-By-Synthesis Robust Classification Model to More Complex Image Domains"
_PAPER = {
    "link": "https://dl.acm.org/doi/10.1145/3411508.3421382",
    "authors": "An Ju, David Wagner",
    "venue": "AISec 2020",
}
_DISCRIMINATIVE = ("cnn", "adv-linf", "adv-l2")


def robustbench_entry(report: RobustnessReport, norm: Norm) -> dict[str, Any] | None:
    """What RobustBench would list of a model under one threat model; None where it was not attacked so.

    `reported` and `external` are the worst case over every attack of the norm. `autoattack_acc` is there only if
    parts of AutoAttack were run, both APGD and Square, and is the worst case over those.
    """
    clean, worst, epsilon = CLEAN.accuracy(report), WORST_OF_NORM[norm].accuracy(report), report.epsilon(norm)
    if clean is None or worst is None or epsilon is None:
        return None
    attacks = [name for name, attack in report.attacks.items() if attack.norm == norm]
    parts = tuple(name for name in attacks if name.startswith(("apgd", "square")))
    ensemble = None
    if {name.split("-")[0] for name in parts} >= {"apgd", "square"}:
        ensemble = Row("autoattack", "AutoAttack", norm, parts).accuracy(report)
    entry: dict[str, Any] = {
        **_PAPER,
        "name": f"{_TITLE} ({report.subject.name})",
        "additional_data": False,
        "dataset": report.dataset,
        "architecture": HEADINGS.get(report.subject.kind, report.subject.kind),
        "eps": epsilon_text(epsilon, norm),
        "clean_acc": _percent(clean),
        "reported": _percent(worst),
    }
    if report.subject.kind in _DISCRIMINATIVE:
        entry["number_forward_passes"] = 1
    if ensemble is not None:
        entry["autoattack_acc"] = _percent(ensemble)
    footnote = _footnote(report, attacks, parts if ensemble else (), worst)
    return entry | {"external": _percent(worst), "footnote": footnote}


def _footnote(report: RobustnessReport, attacks: list[str], parts: tuple[str, ...], worst: Proportion) -> str:
    low, high = (f"{100 * end:.2f}" for end in worst.interval)
    described = [f"{name} ({settings_text(report.attacks[name])})" for name in attacks]
    sentences = [
        f"The robust accuracy is the worst case, image by image, over {', '.join(described)} on "
        f"{report.images} {report.split} images (95 % interval {low} to {high})."
    ]
    if parts:
        sentences.append(f"autoattack_acc is the worst case over {', '.join(parts)}, not the whole of AutoAttack.")
    if report.subject.kind not in _DISCRIMINATIVE:
        sentences.append("Answers are found by optimisation, which RobustBench does not admit to its own lists.")
    return " ".join(sentences)


def _percent(accuracy: Proportion) -> str:
    return f"{100 * accuracy.share:.2f}"
