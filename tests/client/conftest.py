"""A real server that answers with a small random model, and its client."""

from collections.abc import Iterator

import pytest

from client import Client
from service.settings import Settings
from tests.service.conftest import settings, slow_settings, slow_store_root, store_root  # noqa: F401 -- fixtures
from tests.service.running_server import RunningServer


@pytest.fixture(scope="session")
def server(settings: Settings) -> Iterator[RunningServer]:  # noqa: F811 -- the fixture
    with RunningServer(settings.model_copy(update={"models": "mnist"})) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client
