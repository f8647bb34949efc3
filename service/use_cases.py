"""What the server does for its clients: classify images, certify images. The routes and the command line share it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal

from eabs.settings import Effort, Solver
from service.answers import certification, classification, identity_of_model
from service.images import ServedImage
from service.jobs import Bounds, Certify, Classify, Scores, choose_settings
from service.request_id import current_request_id
from service.runtime import Runtime, Solved
from service.schemas import CertifyAnswer, ClassifyAnswer, ImageCertification, ImageClassification, TimingMs
from service.served_model import ServedModel

Method = Literal["exact-inference"]


async def classify(
    runtime: Runtime,
    model: ServedModel,
    read: Callable[[], Awaitable[Sequence[ServedImage]]],
    *,
    effort: Effort | None = None,
    solver: Solver = "quasi-newton",
    certificate: Method | Literal["none"] = "none",
    explain: bool = False,
) -> ClassifyAnswer:
    """Reads and classifies images.

    Args:
        runtime: a started one.
        model: who answers.
        read: decodes the images.
        effort: how long to optimise; None is the model's default.
        solver: `quasi-newton`, or `adam` for the paper's inference, which has no efforts.
        certificate: which certificate to add.
        explain: whether to add every class's best reconstruction.

    Raises:
        ValueError: an effort was named for `adam`.
        ServiceError: as decoding and `Runtime.solve` do.
    """
    job = Classify(model.digest, choose_settings(solver, effort, default=model.default_effort), explain=explain)
    started = time.perf_counter()
    decoded = await read()
    decode_s = time.perf_counter() - started
    solved = await runtime.solve(job, decoded)
    bounds: list[Solved[Bounds]] = []
    if certificate == "exact-inference":
        bounds = await runtime.solve(Certify(model.digest), decoded)
    for scores in solved:
        label = model.labels[scores.outcome.prediction]
        runtime.metrics.predictions.labels(model.name, label).inc()
    runtime.metrics.images.labels(model.name).inc(len(decoded))
    results = await runtime.aside(partial(_classifications, model, decoded, solved, bounds))
    return ClassifyAnswer(
        request_id=current_request_id(),
        model=identity_of_model(model),
        results=results,
        timing_ms=_timing(decode_s, solved, bounds),
    )


async def certify(
    runtime: Runtime,
    model: ServedModel,
    read: Callable[[], Awaitable[Sequence[ServedImage]]],
    *,
    method: Method = "exact-inference",  # noqa: ARG001 - the only method there is; others will differ here
) -> CertifyAnswer:
    """Reads and certifies images.

    Raises:
        ServiceError: as decoding and `Runtime.solve` do.
    """
    started = time.perf_counter()
    decoded = await read()
    decode_s = time.perf_counter() - started
    job = Certify(model.digest)
    served = await runtime.solve(Classify.by_effort(model.digest, model.default_effort), decoded)
    bounds = await runtime.solve(job, decoded)
    return CertifyAnswer(
        request_id=current_request_id(),
        model=identity_of_model(model),
        results=_certifications(model, job, decoded, served, bounds),
        timing_ms=_timing(decode_s, served, bounds),
    )


def _classifications(
    model: ServedModel,
    images: Sequence[ServedImage],
    solved: Sequence[Solved[Scores]],
    bounds: Sequence[Solved[Bounds]],
) -> list[ImageClassification]:
    certified: list[Bounds | None] = [None] * len(images)
    if bounds:
        certified = [entry.outcome for entry in bounds]
    return [
        classification(model, image, scores.outcome, bounds=bound, cached=_cached(scores, bounds, index))
        for index, (image, scores, bound) in enumerate(zip(images, solved, certified, strict=True))
    ]


def _certifications(
    model: ServedModel,
    job: Certify,
    images: Sequence[ServedImage],
    served: Sequence[Solved[Scores]],
    bounds: Sequence[Solved[Bounds]],
) -> list[ImageCertification]:
    return [
        certification(
            model,
            image,
            job,
            bound.outcome,
            served=scores.outcome.prediction,
            cached=_cached(scores, bounds, index),
        )
        for index, (image, scores, bound) in enumerate(zip(images, served, bounds, strict=True))
    ]


def _cached(scores: Solved[Scores], bounds: Sequence[Solved[Bounds]], index: int) -> bool:
    return scores.cached and (not bounds or bounds[index].cached)


def _timing(decode_s: float, *rounds: Sequence[Solved[Any]]) -> TimingMs:
    """The rounds came one after the other; of each, the image that was answered last set the time."""
    last = [max(answers, key=lambda answer: answer.queue_s + answer.inference_s) for answers in rounds if answers]
    return TimingMs(
        decode=round(decode_s * 1000, 3),
        queue=round(sum(answer.queue_s for answer in last) * 1000, 3),
        inference=round(sum(answer.inference_s for answer in last) * 1000, 3),
    )
