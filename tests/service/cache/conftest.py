"""A redis-server for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.redis_server import RedisServer, redis_server


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real one, empty, on a free port."""
    with redis_server(tmp_path) as server:
        yield server
