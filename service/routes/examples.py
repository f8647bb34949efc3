"""Answers that the OpenAPI description shows: of /classify, with and without a prediction; of /certify, one by each
method about the same image. The numbers are those of the included model, rounded."""

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
_JSON = "application/json"


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with the examples in it. FastAPI would drop each null of theirs, and with it a field."""
    for path, method, examples in (
        ("/classify", "post", classify_examples()),
        ("/certify", "post", certify_examples()),
        ("/certify", "get", certify_examples()),
    ):
        document["paths"][path][method]["responses"]["200"]["content"][_JSON]["examples"] = examples
    return document


def classify_examples() -> dict[str, Any]:
    """Answers of /classify: a digit that is answered, a shoe that is rejected."""
    digit = ImageClassification(
        image_id="sha256:87b3c3fba1b824f92d7a46bd0aaf1598be7890522b4c59a820341ec9368e036f",
        classifier="latent",
        prediction=_SEVEN,
        typicality=0.91,
        out_of_distribution=False,
        classes=[_score(7, -7.72, 2.64, 0.99998), _score(9, -39.9, 6.13, 2.3e-6, upper_bound=True)],
        certificate=None,
        preprocessing=Preprocessing(resized_from=None, converted_from=None),
        cached=False,
    )
    shoe = digit.model_copy(
        update={
            "image_id": "sha256:85f1a86f03c055791823660f8e6061ea13009bf759ac4a21149c0f9b6534b29f",
            "prediction": None,
            "typicality": 0.005,
            "out_of_distribution": True,
            "classes": [_score(2, -36.6, 6.04, 0.387), _score(6, -37.9, 6.15, 0.235, upper_bound=True)],
        }
    )
    summaries = {"answered": "Two of the ten classes", "rejected": "reject=true, out of distribution"}
    return {
        name: {
            "summary": summaries[name],
            "value": ClassifyAnswer(results=[result], **_envelope()).model_dump(mode="json"),
        }
        for name, result in (("answered", digit), ("rejected", shoe))
    }


def _score(
    index: int, log_likelihood: float, distance: float, posterior: float, *, upper_bound: bool = False
) -> ClassScore:
    return ClassScore(
        index=index,
        label=str(index),
        log_likelihood=log_likelihood,
        reconstruction_distance=distance,
        posterior=posterior,
        upper_bound=upper_bound,
    )


def certify_examples() -> dict[str, Any]:
    """Answers of /certify, by each method."""
    answers = {
        "exact-inference": _answer(
            Certificate(
                kind="exact-inference",
                classifier="exact-inference",
                radius=1.488,
                sound=False,
                confidence=None,
                assumption="the latent optimum was found",
            ),
            ExactInferenceSettings(steps=60, starts=8, tolerance=1e-5, candidates=8000, seed=0),
            rivals=_rivals({0: 1.488, 9: 1.568}),
        ),
        "finite-bank": _answer(
            Certificate(
                kind="finite-bank",
                classifier="finite-bank",
                radius=2.727,
                sound=True,
                confidence=None,
                assumption=None,
                attack_upper_bound=2.995,
            ),
            FiniteBankSettings(prototypes=10_000),
            rivals=_rivals({9: 2.727, 3: 2.847}),
        ),
        "smoothing": _answer(
            Certificate(
                kind="smoothing",
                classifier="smoothed finite-bank",
                radius=1.599,
                sound=True,
                confidence=0.999,
                assumption=None,
                seed=2890341,
            ),
            SmoothingSettings(
                sigma=0.5, n0=100, n=10_000, alpha=0.001, seed=2890341, probability=0.9993, estimated_ms=640.0
            ),
            rivals=[],
        ),
    }
    return {
        method: {"summary": f"method={method}, two of the nine rivals", "value": answer.model_dump(mode="json")}
        for method, answer in answers.items()
    }


def _rivals(bounds: dict[int, float]) -> list[RivalBound]:
    return [RivalBound(index=index, label=str(index), bound=bound) for index, bound in bounds.items()]


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
        "model": ModelIdentity(
            name="mnist", version="2", digest="sha256:7b22f3e47f577d08d35b4412abd80e94341c07c878aef73afb3fb60d81dd5474"
        ),
        "timing_ms": TimingMs(decode=0.4, queue=0.1, inference=38.2),
    }
