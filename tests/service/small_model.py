"""A publishable description of a random model, with few candidates."""

from eabs.architecture import Architecture
from model_store import ArchitectureSpec, Calibration, ManifestDraft, Preprocessing, TrainingData


def small_draft(name: str, architecture: Architecture) -> ManifestDraft:
    """A draft for a model of this architecture, quick to prepare and to ask."""
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
        calibration=Calibration(temperature=2.0, effort="fast", scores=[[10.0, 100.0, 1000.0]] * architecture.classes),
    )
