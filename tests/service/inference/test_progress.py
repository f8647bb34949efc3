import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from eabs.settings import EFFORTS, PAPER_SETTINGS
from service.inference.progress import counting_progress
from service.jobs import Classify, ClassifyByPrototypes, Floats, Job, Outcome
from service.telemetry.metrics import Metrics

IMAGES = [np.zeros((1, 2, 2), np.float32)] * 3


def count(job: Job[Any], *outcomes: Outcome) -> Metrics:
    """The metrics after the job had these outcomes."""
    metrics = Metrics()

    async def run(_: Job[Any], __: Sequence[Floats]) -> Sequence[Outcome]:
        return outcomes

    assert asyncio.run(counting_progress(run, metrics)(job, IMAGES)) == outcomes
    return metrics


def test_steps_and_convergence_are_counted_by_effort() -> None:
    metrics = count(
        Classify("model", EFFORTS["fast"]),
        Outcome(steps=4, converged=True),
        Outcome(steps=5, converged=True),
        Outcome(steps=6, converged=False),
    )
    read, effort = metrics.registry.get_sample_value, {"effort": "fast"}
    assert read("eabs_optimisation_steps_count", effort) == 3
    assert read("eabs_optimisation_steps_sum", effort) == 15
    assert read("eabs_images_optimised_total", effort) == 3
    assert read("eabs_images_converged_total", effort) == 2


def test_who_cannot_tell_whether_it_converged_is_not_counted_as_if_it_had_not() -> None:
    metrics = count(Classify("model", PAPER_SETTINGS), Outcome(steps=50))
    read = metrics.registry.get_sample_value
    assert read("eabs_optimisation_steps_sum", {"effort": "adam"}) == 50
    assert read("eabs_images_optimised_total", {"effort": "adam"}) is None


def test_a_job_without_latent_inference_has_no_steps() -> None:
    metrics = count(ClassifyByPrototypes("model"), Outcome())
    text = metrics.render().decode()
    assert "eabs_optimisation_steps_count" not in text
