"""A model in memory, ready to answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from eabs.certificates.exact_inference import EXACT_INFERENCE
from eabs.inference import LatentInference
from eabs.settings import PAPER_SETTINGS, Effort
from model_store import Calibration, Manifest, ModelStore, prepare_inference
from service.jobs import Certify, Classify
from service.pixels import Shape
from service.settings import ModelReference


@dataclass(frozen=True)
class ServedModel:
    """A loaded version, its aliases at the time of loading, and its inference."""

    name: str
    version: str
    digest: str
    manifest: Manifest
    inference: LatentInference = field(repr=False)
    aliases: Mapping[str, str]

    @property
    def labels(self) -> tuple[str, ...]:
        """What the classes are called, by index."""
        return tuple(self.manifest.classes)

    @property
    def shape(self) -> Shape:
        """(C, H, W) of the images that it takes."""
        return self.manifest.architecture.image

    @property
    def calibration(self) -> Calibration:
        """What turns scores into probabilities and typicality."""
        return self.manifest.calibration

    @property
    def default_effort(self) -> Effort:
        """The effort of a request that names none."""
        return self.manifest.default_effort

    def answers_to(self, reference: str) -> bool:
        """Whether a request for this version or alias means this model."""
        return reference == self.version or self.aliases.get(reference) == self.version


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
        inference=prepare_inference(loaded, cache=cache_dir, threads=threads),
        aliases=store.aliases(reference.name),
    )


def warm_up(model: ServedModel, *, batch_size: int) -> None:
    """Answers once in every way that requests will be answered in, so that no request is the first.

    Raises:
        RuntimeError: an answer is not a number.
    """
    for count in sorted({1, batch_size}):
        images = torch.zeros(count, *model.shape)
        for scores in Classify.by_effort(model.digest, "fast").run(model.inference, images):
            if not np.isfinite(scores.scores).all():
                raise RuntimeError(f"{model.name} {model.version}: expected finite scores, got {scores.scores}")
    # One step walks the same path as many.
    image = torch.zeros(1, *model.shape)
    Classify(model.digest, replace(PAPER_SETTINGS, steps=1), explain=True).run(model.inference, image)
    Certify(model.digest, replace(EXACT_INFERENCE, steps=1)).run(model.inference, image)


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
