"""From what the engine found to what the client reads."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eabs.certificates.exact_inference import ASSUMPTION
from service.images import ServedImage
from service.jobs import Bounds, Certify, Scores
from service.schemas import (
    Certificate,
    CertificateSettings,
    ClassScore,
    ExplainedClassScore,
    ImageCertification,
    ImageClassification,
    ModelIdentity,
    Prediction,
    Preprocessing,
    RivalBound,
)
from service.served_model import ServedModel


def identity_of_model(model: ServedModel) -> ModelIdentity:
    """Which model answered."""
    return ModelIdentity(name=model.name, version=model.version, digest=model.digest)


def classification(
    model: ServedModel,
    image: ServedImage,
    scores: Scores,
    *,
    bounds: Bounds | None,
    cached: bool,
) -> ImageClassification:
    """The answer about one image, explained if the scores hold reconstructions; `bounds` where a certificate was
    asked for."""
    prediction = scores.prediction
    return ImageClassification(
        image_id=image.identity,
        prediction=_prediction(model, prediction),
        typicality=model.calibration.typicality(prediction, float(scores.scores[prediction])),
        classes=_classes(model, scores),
        certificate=None if bounds is None else _certificate(model, bounds, served=prediction),
        preprocessing=_preprocessing(image),
        cached=cached,
    )


def certification(
    model: ServedModel, image: ServedImage, job: Certify, bounds: Bounds, *, served: int, cached: bool
) -> ImageCertification:
    """The certificate of one image; `served` is the class that /classify answers with."""
    rivals = [
        RivalBound(index=index, label=model.labels[index], bound=float(bounds.bounds[index]))
        for index in np.argsort(bounds.bounds).tolist()
        if index != bounds.prediction
    ]
    return ImageCertification(
        image_id=image.identity,
        prediction=_prediction(model, bounds.prediction),
        served_prediction=_prediction(model, served),
        certificate=_certificate(model, bounds, served=served),
        rivals=rivals,
        settings=CertificateSettings(
            steps=job.settings.steps,
            starts=job.settings.starts,
            tolerance=job.settings.tolerance,
            candidates=len(model.inference.bank),
            seed=model.inference.seed,
        ),
        preprocessing=_preprocessing(image),
        cached=cached,
    )


def posterior(scores: NDArray[np.float32], temperature: float) -> list[float]:
    """softmax(-l / temperature), K probabilities."""
    logits = -scores.astype(np.float64) / temperature
    weights = np.exp(logits - logits.max())
    probabilities: list[float] = (weights / weights.sum()).tolist()
    return probabilities


def _classes(model: ServedModel, scores: Scores) -> list[ExplainedClassScore | ClassScore]:
    probabilities = posterior(scores.scores, model.calibration.temperature)
    plain = [
        ClassScore(
            index=index,
            label=label,
            log_likelihood=-float(scores.scores[index]),
            reconstruction_distance=float(scores.distances[index]),
            posterior=probabilities[index],
            upper_bound=bool(scores.upper_bounds[index]),
        )
        for index, label in enumerate(model.labels)
    ]
    if scores.reconstructions is None:
        return list(plain)
    pictures = (_png(picture) for picture in scores.reconstructions)
    return [
        ExplainedClassScore(**score.model_dump(), reconstruction=picture)
        for score, picture in zip(plain, pictures, strict=True)
    ]


def _certificate(model: ServedModel, bounds: Bounds, *, served: int) -> Certificate:
    radius, reason = bounds.radius, None
    if bounds.prediction != served:
        radius = 0.0
        reason = (
            f"exact inference predicts {model.labels[bounds.prediction]!r}, "
            f"but the served prediction is {model.labels[served]!r}"
        )
    elif radius == 0:
        reason = "equation (7) certifies no distance: another class is about as near as the predicted one"
    return Certificate(radius=radius, sound=False, confidence=None, assumption=ASSUMPTION, reason=reason)


def _prediction(model: ServedModel, index: int) -> Prediction:
    return Prediction(index=index, label=model.labels[index])


def _preprocessing(image: ServedImage) -> Preprocessing:
    return Preprocessing(resized_from=image.resized_from, converted_from=image.converted_from)


def _png(picture: NDArray[np.uint8]) -> str:
    """A (C, H, W) uint8 image as a PNG in base64."""
    pixels = picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
