"""A model in memory, ready to answer."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from eabs.certificates.exact_inference import EXACT_INFERENCE
from eabs.settings import PAPER_SETTINGS, Effort
from model_store import Manifest, ModelStore, ScoreCalibration, prepare_inference
from service.images.pixels import Shape
from service.jobs import (
    CertifyExactInference,
    CertifyFiniteBank,
    Classifier,
    Classifiers,
    Classify,
    ClassifyByPrototypes,
    Job,
    Method,
    Scores,
    base_predict,
)
from service.models.reference import ModelReference


@dataclass(frozen=True)
class ServedModel:
    """A loaded version and its classifiers. `replicas` are its copies on every device; `sample_s` is how long one
    sample of randomised smoothing takes, in s, as `warm_up` measured it."""

    name: str
    version: str
    digest: str
    manifest: Manifest
    classifiers: Classifiers = field(repr=False)
    replicas: tuple[Classifiers, ...] = field(default=(), repr=False)
    sample_s: float = 0.0

    @property
    def labels(self) -> tuple[str, ...]:
        """What the classes are called, by index."""
        return tuple(self.manifest.classes)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of the images that it takes."""
        return self.manifest.architecture.image

    @property
    def has_prototypes(self) -> bool:
        """Whether it has a prototype bank."""
        return self.classifiers.prototypes is not None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The certificates that it can give."""
        return (
            ("exact-inference", "finite-bank", "smoothing") if self.has_prototypes else ("exact-inference", "smoothing")
        )

    @property
    def smoothing_base(self) -> Classifier:
        """What randomised smoothing smooths: the prototype bank, which asks less of each sample and certifies more."""
        return "finite-bank" if self.has_prototypes else "latent"

    def calibration(self, classifier: Classifier) -> ScoreCalibration:
        """What turns a classifier's scores into probabilities and typicality."""
        prototypes = self.manifest.prototypes
        return prototypes.calibration if classifier == "finite-bank" and prototypes else self.manifest.calibration

    def is_out_of_distribution(self, classifier: Classifier, scores: Scores) -> bool:
        """Whether a classifier's score of its own prediction is too unusual for true images of that class."""
        prediction = scores.prediction
        return self.calibration(classifier).is_out_of_distribution(prediction, float(scores.scores[prediction]))

    @property
    def default_effort(self) -> Effort:
        """The effort of a request that names none."""
        return self.manifest.default_effort


def load_model(
    store: ModelStore, reference: ModelReference, *, device: torch.device, cache_dir: Path | None, threads: int
) -> ServedModel:
    """Loads, verifies and prepares a model.

    Raises:
        ModelStoreError: it is not there, or not what was published.
    """
    loaded = store.load(reference.name, reference.version, device=device)
    return ServedModel(
        name=loaded.manifest.name,
        version=loaded.manifest.version,
        digest=loaded.digest,
        manifest=loaded.manifest,
        classifiers=Classifiers(prepare_inference(loaded, cache=cache_dir, threads=threads), loaded.prototypes),
    )


def warm_up(model: ServedModel, *, batch_size: int) -> float:
    """Answers once in every way that requests will be answered in, so that no request is the first.

    Returns:
        How long one sample of randomised smoothing takes, in s.

    Raises:
        RuntimeError: it cannot answer, or an answer is not a number.
    """
    try:
        _answer_once(model, batch_size)
        return _time_of_a_sample(model)
    except Exception as error:
        raise RuntimeError(f"{model.name} {model.version}: expected answers to black images, got {error!r}") from error


def _answer_once(model: ServedModel, batch_size: int) -> None:
    classifiers = model.classifiers
    for count in sorted({1, batch_size}):
        images = torch.zeros(count, *model.shape)
        jobs: list[Job[Scores]] = [Classify.by_effort(model.digest, "fast")]
        if model.has_prototypes:
            jobs.append(ClassifyByPrototypes(model.digest, explain=True))
        for scores in (scores for job in jobs for scores in job.run(classifiers, images)):
            if not np.isfinite(scores.scores).all():
                raise ValueError(f"expected finite scores, got {scores.scores}")
    # One step walks the same path as many.
    image = torch.zeros(1, *model.shape)
    Classify(model.digest, replace(PAPER_SETTINGS, steps=1), explain=True).run(classifiers, image)
    CertifyExactInference(model.digest, replace(EXACT_INFERENCE, steps=1)).run(classifiers, image)
    if model.has_prototypes:
        CertifyFiniteBank(model.digest).run(classifiers, image)


def _time_of_a_sample(model: ServedModel) -> float:
    predict = base_predict(model.classifiers, model.smoothing_base)
    count = 256 if model.has_prototypes else 8
    images = torch.rand(count, *model.shape, generator=torch.Generator().manual_seed(0))
    predict(images)
    started = time.perf_counter()
    predict(images).cpu()
    return (time.perf_counter() - started) / count


def resolve_devices(name: str) -> tuple[torch.device, ...]:
    """The devices that a setting names: `auto` is every GPU, or the CPU where there is none; `cuda` is every GPU.

    Raises:
        ValueError: CUDA was asked for and is not there.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not count):
        return (torch.device("cpu"),)
    wanted = range(count) if name in ("auto", "cuda") else (int(name.removeprefix("cuda:")),)
    if not wanted or max(wanted) >= count:
        raise ValueError(f"device: expected one of {count} CUDA devices, got {name}")
    return tuple(torch.device("cuda", index) for index in wanted)
