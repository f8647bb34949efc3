"""How far latent inference got, counted where it was done: an answer from a cache is not counted again."""

from collections.abc import Sequence
from typing import Any

from service.inference.batcher import Run
from service.jobs import Floats, Job, Outcome
from service.telemetry.metrics import Metrics


def counting_progress(run: Run, metrics: Metrics) -> Run:
    """`run`, whose answers are counted: the steps of each image, and how many converged."""

    async def counting(job: Job[Any], images: Sequence[Floats]) -> Sequence[Any]:
        outcomes = await run(job, images)
        if job.effort is not None:
            _count(job.effort, outcomes, metrics)
        return outcomes

    return counting


def _count(effort: str, outcomes: Sequence[Outcome], metrics: Metrics) -> None:
    steps = metrics.optimisation_steps.labels(effort)
    for outcome in outcomes:
        if outcome.steps is not None:
            steps.observe(outcome.steps)
    judged = [outcome.converged for outcome in outcomes if outcome.converged is not None]
    if judged:
        metrics.images_optimised.labels(effort).inc(len(judged))
        metrics.images_converged.labels(effort).inc(sum(judged))
