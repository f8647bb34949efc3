"""What was answered, for those who watch: the answers counted, the work noted on the request's record."""

from collections.abc import Sequence

from service.answers import Certified
from service.inference.solver import Solved
from service.jobs import Bounds, Certify, Classifier, Scores
from service.models.served_model import ServedModel
from service.schemas import TimingMs
from service.telemetry.metrics import Metrics
from service.telemetry.request_record import current_record

REJECTED = "(rejected)"
"""Stands in the metric of predictions for the class of an image that was rejected."""


def note_request(model: ServedModel, images: int) -> None:
    """Notes what the request asks for."""
    record = current_record()
    record.model = f"{model.name}@{model.version}"
    record.images = images


def note_work(timing: TimingMs, *, cached: int) -> None:
    """Notes what the request took, and for how many of its images a cache had the whole answer."""
    record = current_record()
    record.cached = cached
    record.queue_ms = timing.queue
    record.inference_ms = timing.inference


def count_scores(
    metrics: Metrics, model: ServedModel, classifier: Classifier, answers: Sequence[Scores], *, rejected: Sequence[bool]
) -> None:
    """Counts the images by predicted class, those rejected as such, and those out of distribution, with the typicality
    of each for its class; cached answers too."""
    metrics.images.labels(model.name).inc(len(answers))
    outside = sum(model.is_out_of_distribution(classifier, answer) for answer in answers)
    metrics.out_of_distribution.labels(model.name).inc(outside)
    calibration = model.calibration(classifier)
    typicality = metrics.typicality.labels(model.name, classifier)
    for answer, is_rejected in zip(answers, rejected, strict=True):
        prediction = answer.prediction
        label = REJECTED if is_rejected else model.labels[prediction]
        metrics.predictions.labels(model.name, label).inc()
        typicality.observe(calibration.typicality(prediction, float(answer.scores[prediction])))


def count_radii(
    metrics: Metrics, job: Certify, served: Sequence[Solved[Scores]], bounds: Sequence[Solved[Bounds]]
) -> None:
    """Observes the radii as they are answered: 0 where the certified class is not the served one."""
    radius = metrics.certified_radius.labels(job.kind)
    for scores, found in zip(served, bounds, strict=True):
        radius.observe(Certified(job, found.outcome).radius(served=scores.outcome.prediction))
