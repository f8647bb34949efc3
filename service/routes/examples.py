"""Answers that the OpenAPI description shows: one of /certify by each method, about the same image."""

from typing import Any

from service.schemas import (
    Certificate,
    CertificateSettings,
    CertifyAnswer,
    ExactInferenceSettings,
    FiniteBankSettings,
    ImageCertification,
    ModelIdentity,
    Prediction,
    Preprocessing,
    RivalBound,
    SmoothingSettings,
    TimingMs,
)

_SEVEN = Prediction(index=7, label="7")
_RIVALS = [RivalBound(index=9, label="9", bound=2.06), RivalBound(index=3, label="3", bound=2.43)]


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
    return CertifyAnswer(
        request_id="9ecd48f4c8034e1bb93fab3d44386bf8",
        model=ModelIdentity(name="mnist", version="1", digest="sha256:" + "0" * 64),
        results=[result],
        timing_ms=TimingMs(decode=0.4, queue=0.1, inference=38.2),
    )
