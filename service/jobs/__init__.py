"""What the engine can be asked about images: one class a question, with the answer's type beside it."""

from service.jobs.certify import (
    Bounds,
    Certify,
    CertifyExactInference,
    CertifyFiniteBank,
    CertifySmoothing,
    Method,
    base_predict,
)
from service.jobs.classify import Classify, ClassifyByPrototypes, Scores, choose_settings
from service.jobs.job import Classifier, Classifiers, Floats, Job, Outcome, answer_class

__all__ = [
    "Bounds",
    "Certify",
    "CertifyExactInference",
    "CertifyFiniteBank",
    "CertifySmoothing",
    "Classifier",
    "Classifiers",
    "Classify",
    "ClassifyByPrototypes",
    "Floats",
    "Job",
    "Method",
    "Outcome",
    "Scores",
    "answer_class",
    "base_predict",
    "choose_settings",
]
