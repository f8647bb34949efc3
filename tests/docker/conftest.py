"""A server with keys and a Redis, watched by a Prometheus, and requests that are known."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from pydantic import SecretStr

from service.security.keys import create_key
from service.settings import Settings
from tests.docker.real_prometheus import RealPrometheus, prometheus
from tests.service.api import post_form, post_png
from tests.service.conftest import settings, store_root  # noqa: F401 -- fixtures
from tests.service.pictures import random_png
from tests.service.redis_server import redis_server
from tests.service.running_server import RunningServer

IMAGES = 6
"""Different images that are classified, each of them twice."""


@dataclass(frozen=True)
class Watched:
    """A server that was asked known things, and who watched it."""

    address: str
    prometheus: RealPrometheus


@pytest.fixture(scope="session")
def watched(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:  # noqa: F811
    """What `ask` asked is in Prometheus, as are the values from before."""
    token, key = create_key("prometheus", ["classify"])
    folder = tmp_path_factory.mktemp("prometheus")
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        changes = {
            "models": "mnist",
            "api_keys": SecretStr(key.entry),
            "redis_url": SecretStr(redis.url),
            "redis_timeout_ms": 5000.0,
        }
        with RunningServer(settings.model_copy(update=changes)) as server:
            address = server.url.removeprefix("http://")
            bearer = {"Authorization": f"Bearer {token}"}
            with (
                prometheus(folder, target=address, key=token) as watching,
                httpx.Client(base_url=server.url, headers=bearer, timeout=60) as client,
            ):
                # A counter's first value says nothing of its growth: every series exists before what is counted.
                ask(client, first_seed=1000)
                watching.look()
                ask(client, first_seed=0)
                watching.look()
                yield Watched(address, watching)


def ask(client: httpx.Client, *, first_seed: int) -> None:
    """Classifies IMAGES images twice, certifies one, and sends one that is none."""
    pictures = [random_png(first_seed + number) for number in range(IMAGES)]
    for _ in range(2):
        assert post_form(client, "/classify", *pictures[:2]).status_code == 200
        for picture in pictures[2:]:
            assert post_png(client, "/classify", picture).status_code == 200
    assert post_png(client, "/certify", pictures[0]).status_code == 200
    assert post_png(client, "/classify", b"no picture").status_code in (400, 415)
