"""What the server does for its clients: classify images, certify images. The routes and the command line share it."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from service.answers import Certified, certification, classification, identity_of_model
from service.choices import CertificateChoice, ClassifyChoice
from service.deadline import NO_DEADLINE, Deadline
from service.errors import Invalid
from service.images.served_image import ServedImage
from service.inference.solver import Solved
from service.jobs import Bounds, Certify, CertifySmoothing, Classifier, Scores
from service.middleware.request_id import current_request_id
from service.models.served_model import ServedModel
from service.runtime import Runtime
from service.schemas import CertifyAnswer, ClassifyAnswer, ImageCertification, ImageClassification, TimingMs
from service.tally import count_radii, count_scores, note_request, note_work
from service.telemetry.tracing import span

Read = Callable[[], Awaitable[Sequence[ServedImage]]]


@dataclass(frozen=True)
class Findings:
    """What the engine found about the images of one request, in their order.

    `rejected` says of which no prediction may be served. `certify_job` is None and `bounds` empty where no certificate
    was asked for; `decode_s` is what reading took, in s.
    """

    images: Sequence[ServedImage]
    scores: Sequence[Solved[Scores]]
    rejected: Sequence[bool]
    certify_job: Certify | None
    bounds: Sequence[Solved[Bounds]]
    decode_s: float

    def certified(self, index: int) -> Certified | None:
        """The certificate of one image, where one was asked for."""
        return None if self.certify_job is None else Certified(self.certify_job, self.bounds[index].outcome)

    def cached(self, index: int) -> bool:
        """Whether a cache had all that is answered about one image."""
        return _cached(self.scores, self.bounds, index)

    @property
    def timing(self) -> TimingMs:
        """What it took."""
        return _timing(self.decode_s, self.scores, self.bounds)


async def find(
    runtime: Runtime,
    model: ServedModel,
    read: Read,
    *,
    choice: ClassifyChoice,
    deadline: Deadline = NO_DEADLINE,
) -> Findings:
    """Reads images, classifies them, and certifies them where that is asked for.

    Args:
        runtime: a started one.
        model: who answers.
        read: decodes the images.
        choice: what decides, and what is added.
        deadline: what would be answered later is not begun.

    Raises:
        ValueError: an effort was named for `adam`.
        Invalid: the model does not have what is asked for, or it would take too long.
        ServiceError: as decoding and `Runtime.solve` do.
    """
    job = choice.job(model)
    certify_job = None if choice.certificate is None else choice.certificate.job(model)
    images, decode_s = await _read(model, read)
    _check_estimate(runtime, model, certify_job, len(images), limit_s=deadline.allowed_s)
    solved = await runtime.solve(job, images, deadline=deadline)
    outcomes = [scores.outcome for scores in solved]
    rejected = [choice.reject and model.is_out_of_distribution(choice.classifier, scores) for scores in outcomes]
    bounds = [] if certify_job is None else await _certify(runtime, certify_job, images, rejected, deadline=deadline)
    found = Findings(images, solved, rejected, certify_job, bounds, decode_s)
    note_work(found.timing, cached=sum(map(found.cached, range(len(images)))))
    count_scores(runtime.metrics, model, choice.classifier, outcomes, rejected=rejected)
    if certify_job is not None:
        count_radii(runtime.metrics, certify_job, solved, bounds)
    return found


async def classify(
    runtime: Runtime,
    model: ServedModel,
    read: Read,
    *,
    choice: ClassifyChoice,
    deadline: Deadline = NO_DEADLINE,
) -> ClassifyAnswer:
    """Reads and classifies images, with the arguments and the errors of `find`."""
    found = await find(runtime, model, read, choice=choice, deadline=deadline)

    def answers() -> list[ImageClassification]:
        return [
            classification(
                model,
                image,
                scores.outcome,
                classifier=choice.classifier,
                rejected=found.rejected[index],
                certified=found.certified(index),
                cached=found.cached(index),
            )
            for index, (image, scores) in enumerate(zip(found.images, found.scores, strict=True))
        ]

    return ClassifyAnswer(
        request_id=current_request_id(),
        model=identity_of_model(model),
        results=await runtime.aside(answers),
        timing_ms=found.timing,
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
    serve_job = ClassifyChoice(classifier).job(model)
    job = choice.job(model)
    images, decode_s = await _read(model, read)
    estimated_s = _check_estimate(runtime, model, job, len(images), limit_s=deadline.allowed_s)
    served = await runtime.solve(serve_job, images, deadline=deadline)
    bounds = await runtime.solve(job, images, deadline=deadline)
    timing = _timing(decode_s, served, bounds)
    note_work(timing, cached=sum(_cached(served, bounds, index) for index in range(len(images))))
    count_radii(runtime.metrics, job, served, bounds)

    def answers() -> list[ImageCertification]:
        return [
            certification(
                model,
                image,
                Certified(job, found.outcome),
                served=scores.outcome.prediction,
                classifier=classifier,
                estimated_s=estimated_s,
                cached=_cached(served, bounds, index),
            )
            for index, (image, scores, found) in enumerate(zip(images, served, bounds, strict=True))
        ]

    return CertifyAnswer(
        request_id=current_request_id(),
        model=identity_of_model(model),
        results=await runtime.aside(answers),
        timing_ms=timing,
    )


async def _read(model: ServedModel, read: Read) -> tuple[Sequence[ServedImage], float]:
    """The images of a request, which is noted, and what reading them took, in s."""
    started = time.perf_counter()
    with span("decode") as decoding:
        images = await read()
        decoding.note(images=len(images))
    decode_s = time.perf_counter() - started
    note_request(model, len(images))
    return images, decode_s


async def _certify(
    runtime: Runtime, job: Certify, images: Sequence[ServedImage], rejected: Sequence[bool], *, deadline: Deadline
) -> list[Solved[Bounds]]:
    """The certificates of the images; nothing is computed for a rejected one, whose radius is 0."""
    wanted = [image for image, is_rejected in zip(images, rejected, strict=True) if not is_rejected]
    found = iter(await runtime.solve(job, wanted, deadline=deadline))
    nothing = Solved(Bounds(prediction=None, radius=0.0), cached=True)
    return [nothing if is_rejected else next(found) for is_rejected in rejected]


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
        asked = "an image" if images == 1 else f"{images} images"
        raise Invalid(
            f"n: expected at most about {max(0, most)} samples for {asked}, which take {limit_s:g} s, "
            f"got {job.settings.n}, which would take about {seconds:.0f} s"
        )
    return seconds


def _cached(scores: Sequence[Solved[Scores]], bounds: Sequence[Solved[Bounds]], index: int) -> bool:
    return scores[index].cached and (not bounds or bounds[index].cached)


def _timing(decode_s: float, *rounds: Sequence[Solved[Any]]) -> TimingMs:
    """The rounds came one after the other; of each, the image that was answered last set the time."""
    last = [max(answers, key=lambda answer: answer.queue_s + answer.inference_s) for answers in rounds if answers]
    return TimingMs(
        decode=round(decode_s * 1000, 3),
        queue=round(sum(answer.queue_s for answer in last) * 1000, 3),
        inference=round(sum(answer.inference_s for answer in last) * 1000, 3),
    )
