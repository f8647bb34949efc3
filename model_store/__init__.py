"""What is published: immutable versions of models, each with a manifest, checked whenever they are read.

`ModelStore(root).load(name)` is how a model is read, `prepare_inference` makes it ready to classify, and
`ModelStore(root).publish(model, draft)` is how a new version comes to be. The root is a folder or a URL that fsspec
reaches. Nothing is ever unpickled.
"""

from pathlib import Path

from model_store.checkpoint import weights_digest
from model_store.errors import (
    CorruptVersion,
    InvalidAliases,
    InvalidManifest,
    InvalidName,
    InvalidRoot,
    InvalidWeights,
    ModelStoreError,
    NameTaken,
    StoreUnreachable,
    UnknownAlias,
    UnknownModel,
    UnknownVersion,
    VersionBusy,
    VersionExists,
    VersionInUse,
)
from model_store.evaluations import (
    AccuracyEvaluation,
    AttackOutcome,
    CertifiedAt,
    CertifiedEvaluation,
    Evaluation,
    RobustnessEvaluation,
    WorstCase,
)
from model_store.manifest import (
    ArchitectureSpec,
    Calibration,
    LayerSpec,
    Manifest,
    ManifestDraft,
    Preprocessing,
    Prototypes,
    ScoreCalibration,
    TrainingData,
)
from model_store.preparation_cache import default_cache, prepare_inference
from model_store.prototypes_file import prototypes_digest, prototypes_from_bytes, prototypes_to_bytes
from model_store.reader import PRODUCTION, LoadedModel, Resolution
from model_store.storage import StoreRoot
from model_store.store import ModelStore

BUNDLED = Path(__file__).parent / "bundled"
"""The root of the models that are shipped with the code."""

__all__ = [
    "BUNDLED",
    "PRODUCTION",
    "AccuracyEvaluation",
    "ArchitectureSpec",
    "AttackOutcome",
    "Calibration",
    "CertifiedAt",
    "CertifiedEvaluation",
    "CorruptVersion",
    "Evaluation",
    "InvalidAliases",
    "InvalidManifest",
    "InvalidName",
    "InvalidRoot",
    "InvalidWeights",
    "LayerSpec",
    "LoadedModel",
    "Manifest",
    "ManifestDraft",
    "ModelStore",
    "ModelStoreError",
    "NameTaken",
    "Preprocessing",
    "Prototypes",
    "Resolution",
    "RobustnessEvaluation",
    "ScoreCalibration",
    "StoreRoot",
    "StoreUnreachable",
    "TrainingData",
    "UnknownAlias",
    "UnknownModel",
    "UnknownVersion",
    "VersionBusy",
    "VersionExists",
    "VersionInUse",
    "WorstCase",
    "default_cache",
    "prepare_inference",
    "prototypes_digest",
    "prototypes_from_bytes",
    "prototypes_to_bytes",
    "weights_digest",
]
