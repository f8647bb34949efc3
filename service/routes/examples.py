"""Answers that the OpenAPI description shows: of /classify, with and without a prediction; of /certify, one by each
method about the same image."""

from typing import Any

from service.schemas import (
    Certificate,
    CertificateSettings,
    CertifyAnswer,
    ClassifyAnswer,
    ClassScore,
    ExactInferenceSettings,
    FiniteBankSettings,
    ImageCertification,
    ImageClassification,
    ModelIdentity,
    Prediction,
    Preprocessing,
    RivalBound,
    SmoothingSettings,
    TimingMs,
)

_SEVEN = Prediction(index=7, label="7")
_RIVALS = [RivalBound(index=9, label="9", bound=2.06), RivalBound(index=3, label="3", bound=2.43)]


def classify_examples() -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that classifies: a digit that is answered, a shoe that is rejected."""
    digit = ImageClassification(
        image_id="sha256:87b3c3fba1b824f92d7a46bd0aaf1598be7890522b4c59a820341ec9368e036f",
        classifier="finite-bank",
        prediction=_SEVEN,
        typicality=0.915,
        out_of_distribution=False,
        classes=[_score(7, -16.5, 4.04, 1.0), _score(9, -67.6, 8.17, 1.6e-6)],
        certificate=None,
        preprocessing=Preprocessing(resized_from=None, converted_from=None),
        cached=False,
    )
    shoe = digit.model_copy(
        update={
            "image_id": "sha256:85f1a86f03c055791823660f8e6061ea13009bf759ac4a21149c0f9b6534b29f",
            "prediction": None,
            "typicality": 0.0052,
            "out_of_distribution": True,
            "classes": [_score(6, -60.3, 7.8, 0.839), _score(2, -66.8, 8.18, 0.155)],
        }
    )
    summaries = {"answered": "Two of the ten classes", "rejected": "reject=true, out of distribution"}
    examples = {
        name: {
            "summary": summaries[name],
            "value": ClassifyAnswer(results=[result], **_envelope()).model_dump(mode="json"),
        }
        for name, result in (("answered", digit), ("rejected", shoe))
    }
    return {200: {"content": {"application/json": {"examples": examples}}}}


def _score(index: int, log_likelihood: float, distance: float, posterior: float) -> ClassScore:
    return ClassScore(
        index=index,
        label=str(index),
        log_likelihood=log_likelihood,
        reconstruction_distance=distance,
        posterior=posterior,
        upper_bound=False,
    )


def certify_examples() -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that certifies: its answer, by each method."""
    answers = {
        "finite-bank": _answer(
            Certificate(
                kind="finite-bank",
                classifier="finite-bank",
                radius=2.06,
                sound=True,
                confidence=None,
                assumption=None,
                attack_upper_bound=2.11,
            ),
            FiniteBankSettings(prototypes=10_000),
            rivals=_RIVALS,
        ),
        "smoothing": _answer(
            Certificate(
                kind="smoothing",
                classifier="smoothed finite-bank",
                radius=1.38,
                sound=True,
                confidence=0.999,
                assumption=None,
                seed=2890341,
            ),
            SmoothingSettings(
                sigma=0.5, n0=100, n=10_000, alpha=0.001, seed=2890341, probability=0.9971, estimated_ms=640.0
            ),
            rivals=[],
        ),
        "exact-inference": _answer(
            Certificate(
                kind="exact-inference",
                classifier="exact-inference",
                radius=1.29,
                sound=False,
                confidence=None,
                assumption="the latent optimum was found",
            ),
            ExactInferenceSettings(steps=60, starts=8, tolerance=1e-5, candidates=8000, seed=0),
            rivals=_RIVALS,
        ),
    }
    examples = {
        method: {"summary": f"method={method}", "value": answer.model_dump(mode="json")}
        for method, answer in answers.items()
    }
    return {200: {"content": {"application/json": {"examples": examples}}}}


def _answer(certificate: Certificate, settings: CertificateSettings, *, rivals: list[RivalBound]) -> CertifyAnswer:
    result = ImageCertification(
        image_id="sha256:87b3c3fba1b824f92d7a46bd0aaf1598be7890522b4c59a820341ec9368e036f",
        prediction=_SEVEN,
        served_classifier="latent" if certificate.kind == "exact-inference" else "finite-bank",
        served_prediction=_SEVEN,
        certificate=certificate,
        rivals=rivals,
        settings=settings,
        preprocessing=Preprocessing(resized_from=None, converted_from=None),
        cached=False,
    )
    return CertifyAnswer(results=[result], **_envelope())


def _envelope() -> dict[str, Any]:
    return {
        "request_id": "9ecd48f4c8034e1bb93fab3d44386bf8",
        "model": ModelIdentity(name="mnist", version="1", digest="sha256:" + "0" * 64),
        "timing_ms": TimingMs(decode=0.4, queue=0.1, inference=38.2),
    }
