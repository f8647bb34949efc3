"""A robustness run as JSON, outcomes image by image: what tables, figures and tests of pairs are computed from."""

from typing import Any

from torch import Tensor

from training.robustness.evaluation import Robustness
from training.robustness.judging import NOT_ATTACKED, Outcome
from training.robustness.plan import Plan, curve_attack
from training.robustness.samples import Samples
from training.robustness.subject import Subject


def report_of(
    found: Robustness, subject: Subject, samples: Samples, plan: Plan, *, split: str, classes: tuple[str, ...]
) -> dict[str, Any]:
    """The report; docs/robustness.md says what its keys mean. `classes` are the K labels' names."""
    described = plan.described()
    return {
        "subject": {"name": subject.name, "kind": subject.kind, "identity": dict(subject.identity)},
        "dataset": subject.dataset,
        "classes": list(classes),
        "split": split,
        "indices": samples.indices.tolist(),
        "labels": samples.labels.tolist(),
        "samples_digest": samples.digest,
        "seed": plan.seed,
        "batch": plan.batch,
        "clean": (found.clean.predictions == samples.labels).tolist(),
        "predictions": found.clean.predictions.tolist(),
        "attacks": {
            name: described[name] | _outcome(outcome, samples.labels) for name, outcome in found.attacks.items()
        },
        "curves": {
            norm: {
                "attack": curve_attack(norm),
                "epsilons": list(curve.epsilons),
                "robust": curve.robust.tolist(),
                "seconds": round(curve.seconds, 3),
            }
            for norm, curve in found.curves.items()
        },
    }


def attacked_images(found: Robustness) -> dict[str, Tensor]:
    """The first samples (n, C, H, W) float32 as they are, `clean`, and by every attack's name as it left them."""
    return {"clean": found.clean.images} | {name: outcome.images for name, outcome in found.attacks.items()}


def _outcome(outcome: Outcome, labels: Tensor) -> dict[str, Any]:
    attacked = outcome.predictions != NOT_ATTACKED
    fallen = attacked & (outcome.predictions != labels)
    return {
        "robust": (outcome.predictions == labels).tolist(),
        "distances": _where(fallen, outcome.distances),
        "predictions": _where(attacked, outcome.predictions),
        "fooled_what_it_saw": _where(attacked, outcome.seen != labels),
        "seconds": round(outcome.seconds, 3),
        "inferences": outcome.inferences,
    }


def _where(known: Tensor, values: Tensor) -> list[Any]:
    """The values (n,), and None where they are not known."""
    return [value if there else None for there, value in zip(known.tolist(), values.tolist(), strict=True)]
