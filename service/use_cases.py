"""What the server does for its clients: classify images, certify images. The routes and the command line share it."""

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eabs.certificates.smoothing import SmoothingSettings
from eabs.settings import Effort, Solver
from service.answers import Certified, certification, classification, identity_of_model
from service.deadline import NO_DEADLINE, Deadline
from service.errors import Invalid
from service.images.served_image import ServedImage
from service.inference.solver import Solved
from service.jobs import (
    Bounds,
    Certify,
    CertifyExactInference,
    CertifyFiniteBank,
    CertifySmoothing,
    Classifier,
    Classify,
    ClassifyByPrototypes,
    Job,
    Method,
    Scores,
    choose_settings,
)
from service.middleware.request_id import current_request_id
from service.models.served_model import ServedModel
from service.runtime import Runtime
from service.schemas import CertifyAnswer, ClassifyAnswer, ImageCertification, ImageClassification, TimingMs

Read = Callable[[], Awaitable[Sequence[ServedImage]]]

_DEFAULTS = SmoothingSettings()


@dataclass(frozen=True)
class CertificateChoice:
    """The certificate that a caller asks for; the smoothing settings are used by smoothing alone.

    `bracket` adds an attack's upper bound. `seed` is of the noise: None draws one that nobody could know before.
    """

    method: Method
    bracket: bool = False
    sigma: float = _DEFAULTS.sigma
    n0: int = _DEFAULTS.n0
    n: int = _DEFAULTS.n
    alpha: float = _DEFAULTS.alpha
    seed: int | None = None

    def job(self, model: ServedModel) -> Certify:
        """The job that makes the certificate.

        Raises:
            Invalid: the model has no prototype bank, and the certificate is of one.
        """
        if self.method == "exact-inference":
            return CertifyExactInference(model.digest, bracket=self.bracket)
        if self.method == "finite-bank":
            _check_prototypes(model)
            return CertifyFiniteBank(model.digest, bracket=self.bracket)
        seed = secrets.randbits(32) if self.seed is None else self.seed
        settings = SmoothingSettings(sigma=self.sigma, n0=self.n0, n=self.n, alpha=self.alpha, seed=seed)
        return CertifySmoothing(model.digest, settings, model.smoothing_base, bracket=self.bracket)


async def classify(
    runtime: Runtime,
    model: ServedModel,
    read: Read,
    *,
    classifier: Classifier = "latent",
    effort: Effort | None = None,
    solver: Solver = "quasi-newton",
    certificate: CertificateChoice | None = None,
    explain: bool = False,
    deadline: Deadline = NO_DEADLINE,
) -> ClassifyAnswer:
    """Reads and classifies images.

    Args:
        runtime: a started one.
        model: who answers.
        read: decodes the images.
        classifier: what decides.
        effort: how long latent inference optimises; None is the model's default.
        solver: `quasi-newton`, or `adam` for the paper's inference, which has no efforts.
        certificate: which certificate to add.
        explain: whether to add every class's best reconstruction, or its nearest prototype.
        deadline: what would be answered later is not begun.

    Raises:
        ValueError: an effort was named for `adam`.
        Invalid: the model does not have what is asked for, or it would take too long.
        ServiceError: as decoding and `Runtime.solve` do.
    """
    job = _classify_job(model, classifier, effort=effort, solver=solver, explain=explain)
    certify_job = None if certificate is None else certificate.job(model)
    started = time.perf_counter()
    images = await read()
    decode_s = time.perf_counter() - started
    _check_estimate(runtime, model, certify_job, len(images), limit_s=deadline.allowed_s)
    solved = await runtime.solve(job, images, deadline=deadline)
    bounds = [] if certify_job is None else await runtime.solve(certify_job, images, deadline=deadline)
    for scores in solved:
        label = model.labels[scores.outcome.prediction]
        runtime.metrics.predictions.labels(model.name, label).inc()
    runtime.metrics.images.labels(model.name).inc(len(images))

    def answers() -> list[ImageClassification]:
        return [
            classification(
                model,
                image,
                scores.outcome,
                classifier=classifier,
                certified=Certified(certify_job, bounds[index].outcome) if certify_job else None,
                cached=_cached(scores, bounds, index),
            )
            for index, (image, scores) in enumerate(zip(images, solved, strict=True))
        ]

    return ClassifyAnswer(
        request_id=current_request_id(),
        model=identity_of_model(model),
        results=await runtime.aside(answers),
        timing_ms=_timing(decode_s, solved, bounds),
    )


async def certify(
    runtime: Runtime,
    model: ServedModel,
    read: Read,
    *,
    choice: CertificateChoice,
    classifier: Classifier = "latent",
    deadline: Deadline = NO_DEADLINE,
) -> CertifyAnswer:
    """Reads and certifies images; `classifier` is the one whose served prediction the certificate is held against.
    What would be answered after the deadline is not begun.

    Raises:
        Invalid: the model does not have what is asked for, or it would take too long.
        ServiceError: as decoding and `Runtime.solve` do.
    """
    serve_job = _classify_job(model, classifier)
    job = choice.job(model)
    started = time.perf_counter()
    images = await read()
    decode_s = time.perf_counter() - started
    estimated_s = _check_estimate(runtime, model, job, len(images), limit_s=deadline.allowed_s)
    served = await runtime.solve(serve_job, images, deadline=deadline)
    bounds = await runtime.solve(job, images, deadline=deadline)

    def answers() -> list[ImageCertification]:
        return [
            certification(
                model,
                image,
                Certified(job, found.outcome),
                served=scores.outcome.prediction,
                classifier=classifier,
                estimated_s=estimated_s,
                cached=_cached(scores, bounds, index),
            )
            for index, (image, scores, found) in enumerate(zip(images, served, bounds, strict=True))
        ]

    return CertifyAnswer(
        request_id=current_request_id(),
        model=identity_of_model(model),
        results=await runtime.aside(answers),
        timing_ms=_timing(decode_s, served, bounds),
    )


def _classify_job(
    model: ServedModel,
    classifier: Classifier,
    *,
    effort: Effort | None = None,
    solver: Solver = "quasi-newton",
    explain: bool = False,
) -> Job[Scores]:
    if classifier == "finite-bank":
        _check_prototypes(model)
        return ClassifyByPrototypes(model.digest, explain=explain)
    return Classify(model.digest, choose_settings(solver, effort, default=model.default_effort), explain=explain)


def _check_prototypes(model: ServedModel) -> None:
    if not model.has_prototypes:
        raise Invalid(
            f"finite-bank: expected a model with a prototype bank, got {model.name} {model.version}, which has none"
        )


def _check_estimate(runtime: Runtime, model: ServedModel, job: Certify | None, images: int, *, limit_s: float) -> float:
    """What the samples of smoothing are estimated to take, in s; 0 for another job.

    Raises:
        Invalid: more than a request may take.
    """
    if not isinstance(job, CertifySmoothing):
        return 0.0
    rounds = math.ceil(images / runtime.places)
    seconds = model.sample_s * (job.settings.n0 + job.settings.n) * rounds
    if seconds > limit_s:
        most = int(limit_s / (model.sample_s * rounds)) - job.settings.n0
        raise Invalid(
            f"n: expected at most about {max(0, most)} samples for {images} images, which take {limit_s:g} s, "
            f"got {job.settings.n}, which would take about {seconds:.0f} s"
        )
    return seconds


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
