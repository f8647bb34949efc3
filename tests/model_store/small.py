"""The smallest model that has every part of a real one."""

import torch

from eabs.architecture import Architecture, ConvLayer
from eabs.prototypes import PrototypeBank
from model_store.manifest import (
    ArchitectureSpec,
    Calibration,
    ManifestDraft,
    Preprocessing,
    Prototypes,
    ScoreCalibration,
    TrainingData,
)

ARCHITECTURE = Architecture(
    image=(1, 8, 8),
    classes=3,
    latent=2,
    encoder=(ConvLayer(4, 3, 2, 1), ConvLayer(6, 3, 2, 1)),
    decoder_linear=4,
    decoder=(ConvLayer(4, 4, 1, 0), ConvLayer(4, 4, 2, 1), ConvLayer(1, 1, 1, 0)),
    discriminator=(8,),
)


def small_draft(**changes: object) -> ManifestDraft:
    fields: dict[str, object] = {
        "name": "shapes",
        "architecture": ArchitectureSpec.from_architecture(ARCHITECTURE),
        "classes": ("circle", "square", "star"),
        "preprocessing": Preprocessing(mode="L", size=8),
        "candidates": 50,
        "seed": 7,
        "training_data": TrainingData(
            dataset="shapes", splits={"train": 90, "validation": 10}, sources={"shapes.bin": "sha256:" + "0" * 64}
        ),
        "training_recipe": {"preset": "fast", "epochs": 3, "learning_rate": 1e-3, "augmented": True},
        "metrics": {"test_accuracy": 0.5},
        "calibration": Calibration(
            temperature=2.0, reject_below=0.6, effort="standard", scores=[[1.0, 2.0, 3.0], [1.5], [2.5]]
        ),
    }
    return ManifestDraft.model_validate(fields | changes)


def small_bank(*, seed: int = 0) -> PrototypeBank:
    """Two prototypes a class."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.rand(4, *ARCHITECTURE.image, generator=generator)
    points, offsets = torch.rand(6, 4, generator=generator).half(), torch.rand(6, generator=generator)
    return PrototypeBank(points, basis, offsets, torch.arange(3).repeat_interleave(2))


def small_prototypes() -> Prototypes:
    """The description of `small_bank`."""
    calibration = ScoreCalibration(temperature=1.5, reject_below=0.6, scores=[[1.0], [2.0, 3.0], [4.0]])
    return Prototypes(images=6, recipe={"epochs": 1}, metrics={"validation_accuracy": 0.5}, calibration=calibration)
