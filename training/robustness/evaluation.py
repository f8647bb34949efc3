"""A robustness run: every attack on every sample that is right when clean, chunk by chunk, each on disk when done."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from training.attacks.ball import Ball, Norm
from training.robustness.judging import Outcome, answers, attack_images
from training.robustness.plan import Plan, curve_attack
from training.robustness.records import Records
from training.robustness.samples import Samples
from training.robustness.subject import Subject

KEPT = 10
"""Samples whose attacked images are kept, the first ones."""

CLEAN = "clean"


@dataclass(frozen=True)
class Progress:
    """Of a piece of `work`, an attack's name: how many of `images` are `done`, and how many of those still stand."""

    work: str
    done: int
    images: int
    standing: int


@dataclass(frozen=True)
class Curve:
    """Accuracy against `epsilons`, ascending: `robust` (E, N) bool, and the `seconds` that it took."""

    epsilons: tuple[float, ...]
    robust: Tensor
    seconds: float


@dataclass(frozen=True)
class Robustness:
    """What a run found: of the images as they are, of every attack by its name, of every norm's curve.

    An outcome's `images` are of the first `KEPT` samples alone.
    """

    clean: Outcome
    attacks: dict[str, Outcome]
    curves: dict[Norm, Curve]


def settings_of(subject: Subject, samples: Samples, plan: Plan, split: str) -> dict[str, Any]:
    """Everything that a run's outcomes depend on, as JSON has it."""
    return {
        "subject": {"name": subject.name, "kind": subject.kind, "identity": dict(subject.identity)},
        "dataset": subject.dataset,
        "split": split,
        "samples": {"count": len(samples), "digest": samples.digest},
        "seed": plan.seed,
        "batch": plan.batch,
        "device": subject.device.type,
        "attacks": plan.described(),
        "curves": {norm: list(epsilons) for norm, epsilons in plan.curve_epsilons.items()},
    }


def evaluate_robustness(
    subject: Subject,
    samples: Samples,
    plan: Plan,
    records: Records,
    report: Callable[[Progress], None] = lambda _: None,
) -> Robustness:
    """Attacks the samples, or what an earlier call has left of them.

    A sample that is not classified right as it is stands against nothing, and is not attacked.

    Args:
        subject: who is attacked.
        samples: with which images.
        plan: how.
        records: opened for this run.
        report: told after every chunk.
    """
    run = _Run(subject, samples, plan, records, report)
    clean = run.clean()
    right = clean.predictions == samples.labels
    attacks = {}
    for name, described in plan.described().items():
        attacks[name] = run.attack(name, name, described["epsilon"], right)
    curves = {}
    for norm, epsilons in plan.curve_epsilons.items():
        name = curve_attack(norm)
        at_bound = attacks[name].predictions == samples.labels
        curves[norm] = run.curve(name, norm, epsilons, standing=right, at_bound=at_bound)
    return Robustness(clean, attacks, curves)


class _Run:
    def __init__(
        self, subject: Subject, samples: Samples, plan: Plan, records: Records, report: Callable[[Progress], None]
    ) -> None:
        self._subject = subject
        self._samples = samples
        self._images = samples.unit_range()
        self._plan = plan
        self._records = records
        self._report = report

    def clean(self) -> Outcome:
        """The answers at the images as they are."""

        def judge(_: int, images: Tensor, __: slice) -> Outcome:
            predictions, seen = answers(self._subject, images)
            return Outcome(predictions, seen, torch.zeros(len(images), dtype=torch.float64), images, 0.0, len(images))

        return self._in_chunks(CLEAN, judge)

    def attack(self, name: str, work: str, epsilon: float, standing: Tensor) -> Outcome:
        """An attack on the samples that are standing (N,)."""

        def judge(chunk: int, images: Tensor, place: slice) -> Outcome:
            named = self._plan.attack(name, work, chunk)
            ball = Ball.around(images, named.norm, epsilon)
            labels = self._samples.labels[place]
            return attack_images(self._subject, named.attack, images, labels, ball, standing[place])

        return self._in_chunks(work, judge)

    def curve(self, name: str, norm: Norm, epsilons: tuple[float, ...], *, standing: Tensor, at_bound: Tensor) -> Curve:
        """An attack at one epsilon after the other.

        An image that has fallen within one epsilon has fallen within every larger one, and is not attacked again.
        What the attack found at its own bound, where those stand that are `at_bound` (N,), is not looked for again.
        """
        robust, seconds = [], 0.0
        for index, epsilon in enumerate(epsilons):
            if epsilon == self._plan.epsilons[norm]:
                standing = standing & at_bound
            else:
                found = self.attack(name, f"curve-{norm}-{index}", epsilon, standing)
                standing = standing & (found.predictions == self._samples.labels)
                seconds += found.seconds
            robust.append(standing)
        return Curve(epsilons, torch.stack(robust), seconds)

    def _in_chunks(self, work: str, judge: Callable[[int, Tensor, slice], Outcome]) -> Outcome:
        """The outcome of all samples: chunks that are on record as they are there, the others as they are judged."""
        count, batch = len(self._samples), self._plan.batch
        found: list[Outcome] = []
        standing = 0
        for chunk, start in enumerate(range(0, count, batch)):
            place = slice(start, min(start + batch, count))
            outcome = self._records.load(work, chunk)
            if outcome is None:
                judged = judge(chunk, self._images[place], place)
                outcome = replace(judged, images=judged.images[: max(0, KEPT - start)])
                self._records.save(work, chunk, outcome)
            found.append(outcome)
            standing += int((outcome.predictions == self._samples.labels[place]).sum())
            self._report(Progress(work, place.stop, count, standing))
        tensors = {
            name: torch.cat([getattr(one, name) for one in found])
            for name in ("predictions", "seen", "distances", "images")
        }
        seconds, inferences = sum(one.seconds for one in found), sum(one.inferences for one in found)
        return Outcome(**tensors, seconds=seconds, inferences=inferences)
