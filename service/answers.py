"""From what the engine found to what the client reads."""

import base64
import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from model_store.images import encode_png
from service.images.served_image import ServedImage
from service.jobs import (
    Bounds,
    Certify,
    CertifyExactInference,
    CertifySmoothing,
    Classifier,
    Scores,
)
from service.models.served_model import ServedModel
from service.schemas import (
    Certificate,
    CertificateSettings,
    ClassScore,
    ExactInferenceSettings,
    ExplainedClassScore,
    FiniteBankSettings,
    ImageCertification,
    ImageClassification,
    ModelIdentity,
    Prediction,
    Preprocessing,
    RivalBound,
    SmoothingSettings,
)


def identity_of_model(model: ServedModel) -> ModelIdentity:
    """Which model answered."""
    return ModelIdentity(name=model.name, version=model.version, digest=model.digest)


@dataclass(frozen=True)
class Certified:
    """A certificate's job, and what it found about one image."""

    job: Certify
    bounds: Bounds

    def radius(self, *, served: int | None) -> float:
        """Within which L2 distance the served prediction cannot change: 0 where none is served, or the certified
        classifier abstains or predicts another class."""
        return self.bounds.radius if self.bounds.prediction == served else 0.0


def classification(
    model: ServedModel,
    image: ServedImage,
    scores: Scores,
    *,
    classifier: Classifier = "latent",
    rejected: bool = False,
    certified: Certified | None = None,
    cached: bool,
) -> ImageClassification:
    """The answer about one image, explained if the scores hold reconstructions; `certified` where a certificate was
    asked for. Of a `rejected` image no prediction is served, and nothing is certified."""
    prediction = scores.prediction
    calibration = model.calibration(classifier)
    served = None if rejected else prediction
    return ImageClassification(
        image_id=image.identity,
        classifier=classifier,
        prediction=None if served is None else _prediction(model, served),
        typicality=calibration.typicality(prediction, float(scores.scores[prediction])),
        out_of_distribution=model.is_out_of_distribution(classifier, scores),
        classes=_classes(model, scores, temperature=calibration.temperature),
        certificate=None if certified is None else _certificate(model, certified, served=served),
        preprocessing=_preprocessing(image),
        cached=cached,
    )


def certification(
    model: ServedModel,
    image: ServedImage,
    certified: Certified,
    *,
    served: int,
    classifier: Classifier = "latent",
    estimated_s: float = 0.0,
    cached: bool,
) -> ImageCertification:
    """The certificate of one image; `served` is the class that /classify answers with by `classifier`, `estimated_s`
    what a smoothed certificate was estimated to take."""
    prediction = certified.bounds.prediction
    return ImageCertification(
        image_id=image.identity,
        prediction=None if prediction is None else _prediction(model, prediction),
        served_classifier=classifier,
        served_prediction=_prediction(model, served),
        certificate=_certificate(model, certified, served=served),
        rivals=_rivals(model, certified.bounds),
        settings=_settings(model, certified, estimated_s),
        preprocessing=_preprocessing(image),
        cached=cached,
    )


def posterior(scores: NDArray[np.float32], temperature: float) -> list[float]:
    """softmax(-l / temperature), K probabilities."""
    logits = -scores.astype(np.float64) / temperature
    weights = np.exp(logits - logits.max())
    probabilities: list[float] = (weights / weights.sum()).tolist()
    return probabilities


def _classes(model: ServedModel, scores: Scores, *, temperature: float) -> list[ExplainedClassScore | ClassScore]:
    probabilities = posterior(scores.scores, temperature)
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
    pictures = (base64.b64encode(encode_png(picture)).decode() for picture in scores.reconstructions)
    return [
        ExplainedClassScore(**score.model_dump(), reconstruction=picture)
        for score, picture in zip(plain, pictures, strict=True)
    ]


def _certificate(model: ServedModel, certified: Certified, *, served: int | None) -> Certificate:
    job, bounds = certified.job, certified.bounds
    attack = bounds.attack_upper_bound
    return Certificate(
        kind=job.kind,
        classifier=job.classifier,
        radius=certified.radius(served=served),
        sound=job.sound,
        confidence=job.confidence,
        assumption=job.assumption,
        reason=_reason(model, certified, served=served),
        attack_upper_bound=None if attack is None or math.isinf(attack) else attack,
        seed=job.seed,
    )


def _reason(model: ServedModel, certified: Certified, *, served: int | None) -> str | None:
    """Why nothing is certified, if nothing is; `served` is None where no prediction is."""
    classifier, bounds = certified.job.classifier, certified.bounds
    if served is None:
        return "the image is rejected as out of distribution, and no certificate speaks of that"
    if bounds.prediction is None:
        return f"the {classifier} classifier abstains: no class is likely enough under the noise"
    if bounds.prediction != served:
        return (
            f"the {classifier} classifier predicts {model.labels[bounds.prediction]!r}, "
            f"but the served prediction is {model.labels[served]!r}"
        )
    if bounds.radius == 0:
        return "another class is about as near as the predicted one"
    return None


def _rivals(model: ServedModel, bounds: Bounds) -> list[RivalBound]:
    if bounds.bounds is None:
        return []
    return [
        RivalBound(index=index, label=model.labels[index], bound=float(bounds.bounds[index]))
        for index in np.argsort(bounds.bounds).tolist()
        if index != bounds.prediction
    ]


def _settings(model: ServedModel, certified: Certified, estimated_s: float) -> CertificateSettings:
    job = certified.job
    if isinstance(job, CertifyExactInference):
        inference = model.classifiers.latent
        return ExactInferenceSettings(
            steps=job.settings.steps,
            starts=job.settings.starts,
            tolerance=job.settings.tolerance,
            candidates=len(inference.bank),
            seed=inference.seed,
        )
    if isinstance(job, CertifySmoothing):
        return SmoothingSettings(
            **asdict(job.settings),
            probability=certified.bounds.probability or 0.0,
            estimated_ms=round(estimated_s * 1000, 1),
        )
    return FiniteBankSettings(prototypes=len(model.classifiers.bank))


def _prediction(model: ServedModel, index: int) -> Prediction:
    return Prediction(index=index, label=model.labels[index])


def _preprocessing(image: ServedImage) -> Preprocessing:
    return Preprocessing(resized_from=image.resized_from, converted_from=image.converted_from)
