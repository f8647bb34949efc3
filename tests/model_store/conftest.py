"""A model small enough to build, publish and load in milliseconds."""

from pathlib import Path

import pytest
import torch

from eabs.networks import EABS
from model_store.manifest import ManifestDraft
from model_store.store import ModelStore
from tests.model_store.small import ARCHITECTURE, small_draft


@pytest.fixture
def model() -> EABS:
    torch.manual_seed(0)
    return EABS(ARCHITECTURE)


@pytest.fixture
def draft() -> ManifestDraft:
    return small_draft()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")
