"""A small random model in a store, and a real server that answers with it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from eabs.architecture import PRESETS
from eabs.networks import EABS
from model_store import ModelStore
from service.settings import Settings
from tests.service.running_server import RunningServer
from tests.service.small_model import small_bank, small_draft
from tests.small_architectures import SMALL_COLOUR, SMALL_GREY


@pytest.fixture(scope="session")
def store_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with version 1 of `mnist`, which has prototypes and the alias `production`, and of `colour`; both are
    small."""
    root = tmp_path_factory.mktemp("store")
    store = ModelStore(root)
    for name, architecture, aliases in (("mnist", SMALL_GREY, ["production"]), ("colour", SMALL_COLOUR, [])):
        torch.manual_seed(0)
        model = EABS(architecture)
        bank = small_bank(architecture) if name == "mnist" else None
        draft = small_draft(name, architecture, prototypes=bank)
        store.publish(model, draft, prototypes=bank, aliases=aliases)
    return root


@pytest.fixture(scope="session")
def settings(store_root: Path) -> Settings:
    """Settings for a small server on the test's store."""
    return Settings(
        store=store_root,
        models="mnist,colour",
        cache_dir=None,
        device="cpu",
        threads=1,
        max_queue=256,
        max_batch_size=8,
    )


@pytest.fixture(scope="session")
def slow_store_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a `mnist` of Table 9's networks, which much work keeps busy for longer than some limit."""
    root = tmp_path_factory.mktemp("slow")
    torch.manual_seed(0)
    ModelStore(root).publish(EABS(PRESETS["mnist"]), small_draft("mnist", PRESETS["mnist"]), aliases=["production"])
    return root


@pytest.fixture(scope="session")
def slow_settings(settings: Settings, slow_store_root: Path) -> Settings:
    """The same with the slow model alone."""
    return settings.model_copy(update={"store": slow_store_root, "models": "mnist"})


@pytest.fixture(scope="session")
def server(settings: Settings) -> Iterator[RunningServer]:
    """A server on a free port of this machine, ready."""
    with RunningServer(settings) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
