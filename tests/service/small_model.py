"""A publishable description of a random model, with few candidates."""

import torch

from eabs.architecture import Architecture
from eabs.prototypes import PrototypeBank
from model_store import (
    ArchitectureSpec,
    Calibration,
    ManifestDraft,
    Preprocessing,
    Prototypes,
    ScoreCalibration,
    TrainingData,
)


def small_bank(architecture: Architecture) -> PrototypeBank:
    """Three random prototypes a class."""
    K, generator = architecture.classes, torch.Generator().manual_seed(0)
    images = torch.rand(3 * K, *architecture.image, generator=generator).half()
    return PrototypeBank.of_images(images, torch.zeros(3 * K), torch.arange(K).repeat_interleave(3))


def small_draft(name: str, architecture: Architecture, *, prototypes: PrototypeBank | None = None) -> ManifestDraft:
    """A draft for a model of this architecture, quick to ask; it describes the bank if there is one."""
    scores = [[10.0, 100.0, 1000.0]] * architecture.classes
    channels, size, _ = architecture.image
    return ManifestDraft(
        name=name,
        architecture=ArchitectureSpec.from_architecture(architecture),
        classes=tuple(f"class {index}" for index in range(architecture.classes)),
        preprocessing=Preprocessing(mode="L" if channels == 1 else "RGB", size=size),
        default_effort="fast",
        candidates=64,
        seed=0,
        training_data=TrainingData(dataset="none", splits={"train": 0}, sources={}),
        training_recipe={"epochs": 0},
        metrics={"accuracy": 0.1},
        calibration=Calibration(temperature=2.0, reject_below=0.3, effort="fast", scores=scores),
        prototypes=None
        if prototypes is None
        else Prototypes(
            images=len(prototypes),
            recipe={},
            metrics={"validation_accuracy": 0.1},
            calibration=ScoreCalibration(temperature=3.0, reject_below=0.3, scores=scores),
        ),
    )
