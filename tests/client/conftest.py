"""A real server that answers with small random models, and its clients."""

from collections.abc import Iterator

import pytest

from client import Client
from tests.service.conftest import server, settings, store_root  # noqa: F401 -- fixtures
from tests.service.running_server import RunningServer


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:  # noqa: F811 -- the fixture
    with Client(server.url) as client:
        yield client
