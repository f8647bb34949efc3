"""Robustness reports as short as a test needs them: outcomes are strings of ones (right) and zeros."""

from collections.abc import Mapping
from typing import Any

from training.reports.report_file import RobustnessReport

EPSILONS = {"linf": 0.3, "l2": 1.5}


def outcomes(text: str) -> list[bool]:
    return [character == "1" for character in text]


def report_document(
    clean: str = "1111",
    attacks: Mapping[str, str] | None = None,
    *,
    kind: str = "e-abs",
    name: str | None = None,
    dataset: str = "mnist",
    epsilons: Mapping[str, float] = EPSILONS,
    curves: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Any]:
    """What `eabs evaluate robustness` writes, of images that all show class 1 of three."""
    count = len(clean)
    attacked = {}
    for attack, text in (attacks or {}).items():
        norm = attack.rsplit("-", 1)[1]
        attacked[attack] = {
            "norm": norm,
            "epsilon": epsilons[norm],
            "settings": {"steps": 80},
            "robust": outcomes(text),
            "predictions": [
                1 if robust else 2 if right else None
                for robust, right in zip(outcomes(text), outcomes(clean), strict=True)
            ],
            "distances": [None if robust else epsilons[norm] / 2 for robust in outcomes(text)],
            "seconds": 1.5,
        }
    measured = {
        norm: {
            "attack": f"pgd-{norm}",
            "epsilons": [epsilons[norm] * (place + 1) / len(steps) for place in range(len(steps))],
            "robust": [outcomes(text) for text in steps],
        }
        for norm, steps in (curves or {}).items()
    }
    return {
        "subject": {"name": name or kind, "kind": kind, "identity": {"version": "1"}},
        "dataset": dataset,
        "classes": ["zero", "one", "two"],
        "split": "test",
        "indices": list(range(100, 100 + count)),
        "labels": [1] * count,
        "samples_digest": "sha256:00",
        "seed": 0,
        "clean": outcomes(clean),
        "predictions": [1 if right else 0 for right in outcomes(clean)],
        "attacks": attacked,
        "curves": measured,
        "machine": {"device": "cpu"},
    }


def a_report(*arguments: Any, **options: Any) -> RobustnessReport:
    return RobustnessReport.model_validate(report_document(*arguments, **options))
