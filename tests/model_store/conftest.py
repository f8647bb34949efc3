"""A model small enough to build, publish and load in milliseconds, and stores of both kinds."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from eabs.networks import EABS
from model_store import ModelStore, StoreRoot
from model_store.manifest import ManifestDraft
from tests.model_store.places import Place, s3_server
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
    """An empty store in a folder."""
    return ModelStore(tmp_path / "models")


@pytest.fixture(scope="session")
def s3_bucket() -> Iterator[str]:
    with s3_server() as server:
        yield server.bucket


@pytest.fixture
def s3_root(s3_bucket: str) -> str:
    return f"s3://{s3_bucket}/{secrets.token_hex(8)}/store"


@pytest.fixture
def memory_root() -> str:
    return f"memory://{secrets.token_hex(8)}/store"


@pytest.fixture(params=["folder", "memory"])
def any_root(request: pytest.FixtureRequest, tmp_path: Path, memory_root: str) -> StoreRoot:
    """The root of an empty store, of either kind."""
    return tmp_path / "models" if request.param == "folder" else memory_root


@pytest.fixture
def any_store(any_root: StoreRoot) -> ModelStore:
    """An empty store of either kind."""
    return ModelStore(any_root)


@pytest.fixture
def place(any_root: StoreRoot) -> Place:
    """What lies in `any_store`."""
    return Place(any_root)
