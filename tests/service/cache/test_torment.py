"""A server under load while its Redis is tormented: no request fails, and none is answered wrongly."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from service.settings import Settings
from tests.service.api import post_png, result
from tests.service.cache.load import IMAGES, Load, RightAnswers
from tests.service.redis_server import RedisServer, SlowProxy, redis_server
from tests.service.running_server import RunningServer


def sharing(settings: Settings, url: str, **update: Any) -> Settings:
    """Settings of a server that holds nothing in memory, so that each request goes to Redis."""
    shared = {"models": "mnist", "cache_bytes": 0, "redis_url": SecretStr(url)}
    return settings.model_copy(update=shared | update)


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="module")
def proxy(shared_redis: RedisServer) -> Iterator[SlowProxy]:
    with SlowProxy(shared_redis.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def tormented(settings: Settings, shared_redis: RedisServer) -> Iterator[httpx.Client]:
    """A client of a server that goes to the Redis by itself."""
    with RunningServer(sharing(settings, shared_redis.url)) as server, client_of(server) as client:
        yield client


@pytest.fixture(scope="module")
def slowed(settings: Settings, proxy: SlowProxy) -> Iterator[httpx.Client]:
    """A client of a server that goes to the Redis through the proxy."""
    with RunningServer(sharing(settings, proxy.url)) as server, client_of(server) as client:
        yield client


@pytest.fixture(scope="module")
def right(client: httpx.Client) -> RightAnswers:
    """The answers of a server without Redis."""
    return RightAnswers(client)


def client_of(server: RunningServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, timeout=60)


def errors(client: httpx.Client, kind: str) -> float:
    """How many of one kind the server has counted."""
    name = f'eabs_cache_errors_total{{kind="{kind}",tier="redis"}} '
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def wait_until_cached(client: httpx.Client) -> None:
    """Returns when what was asked is found in Redis again."""
    give_up = time.monotonic() + 60
    while not result(post_png(client, "/classify", IMAGES[0]))["cached"]:
        assert time.monotonic() < give_up
        time.sleep(0.02)


@contextmanager
def killed(redis: RedisServer, _: Load) -> Iterator[None]:
    redis.kill()
    yield
    redis.start()


@contextmanager
def frozen(redis: RedisServer, _: Load) -> Iterator[None]:
    with redis.frozen():
        yield


@contextmanager
def restarted(redis: RedisServer, load: Load) -> Iterator[None]:
    for _ in range(3):
        redis.restart()
        load.more(8)
    redis.kill()
    load.more(8)
    redis.start()
    yield


@contextmanager
def full(redis: RedisServer, _: Load) -> Iterator[None]:
    with redis.client() as client:
        client.flushall()
        client.config_set("maxmemory", "1")
        yield
        client.config_set("maxmemory", "0")


@contextmanager
def locked(redis: RedisServer, _: Load) -> Iterator[None]:
    redis.restart("--requirepass", "nobody knows")
    yield
    redis.restart()


def spoiling(spoil: Callable[[Any, list[bytes]], None]) -> Callable[..., Any]:
    """Does something to all keys, again and again."""

    @contextmanager
    def torment(redis: RedisServer, load: Load) -> Iterator[None]:
        with redis.client() as client:
            for _ in range(5):
                load.more(8)
                keys = redis.keys()
                assert keys
                spoil(client, keys)
        yield

    return torment


def fill_with_garbage(client: Any, keys: list[bytes]) -> None:
    for key in keys:
        client.set(key, key * 10)


def cut(client: Any, keys: list[bytes]) -> None:
    for key in keys:
        client.setrange(key, 60, b"\0")


def change_types(client: Any, keys: list[bytes]) -> None:
    for key in keys:
        client.delete(key)
        client.hset(key, "field", "value")


def exchange(client: Any, keys: list[bytes]) -> None:
    for key, other in itertools.pairwise(keys):
        client.copy(other, key, replace=True)


TORMENTS = {
    "killed": (killed, "connection"),
    "frozen": (frozen, "timeout"),
    "restarted": (restarted, "connection"),
    "full": (full, "full"),
    "locked": (locked, "connection"),
    "garbage": (spoiling(fill_with_garbage), "invalid"),
    "damage": (spoiling(cut), "invalid"),
    "wrong types": (spoiling(change_types), "invalid"),
    "one's value under another's key": (spoiling(exchange), "invalid"),
}


@pytest.mark.parametrize("name", TORMENTS)
def test_no_request_fails_or_is_answered_wrongly(
    name: str, tormented: httpx.Client, shared_redis: RedisServer, right: RightAnswers
) -> None:
    torment, kind = TORMENTS[name]
    wait_until_cached(tormented)
    before = errors(tormented, kind)
    with Load(str(tormented.base_url), right) as load:
        load.more(16)
        with torment(shared_redis, load):
            load.more(100)
        load.more(16)
    assert errors(tormented, kind) > before
    wait_until_cached(tormented)


@pytest.mark.parametrize("delay_s", [0.005, 0.2])
def test_a_slow_redis_is_waited_for_in_bounds_and_harms_nobody(
    delay_s: float, slowed: httpx.Client, proxy: SlowProxy, right: RightAnswers
) -> None:
    wait_until_cached(slowed)
    before = errors(slowed, "timeout")
    with Load(str(slowed.base_url), right) as load:
        load.more(16)
        proxy.delay_s = delay_s
        load.more(100)
        proxy.delay_s = 0.0
        load.more(16)
    if delay_s > 0.05:
        assert errors(slowed, "timeout") > before
    wait_until_cached(slowed)


def test_another_replica_knows_the_image_and_the_answer(
    settings: Settings, shared_redis: RedisServer, right: RightAnswers
) -> None:
    update = {"cache_bytes": 10_000_000, "redis_timeout_ms": 10_000.0}
    shared_redis.restart()
    with RunningServer(sharing(settings, shared_redis.url, **update)) as one, client_of(one) as client:
        first = result(post_png(client, "/classify", IMAGES[0], certificate="finite-bank"))
        assert not first["cached"]
    # What it still had to write was written when it ended.
    with RunningServer(sharing(settings, shared_redis.url, **update)) as other, client_of(other) as client:
        answer = client.get("/certify", params={"image_id": first["image_id"], "method": "finite-bank"})
        found = result(answer)
        right.check_certified(0, found)
        second = result(post_png(client, "/classify", IMAGES[0], certificate="finite-bank"))
        assert second == first | {"cached": True}
        # From here on the memory knows them.
        shared_redis.kill()
        assert result(post_png(client, "/classify", IMAGES[0], certificate="finite-bank")) == second
    shared_redis.start()


def test_a_server_starts_and_ends_without_its_redis(settings: Settings, shared_redis: RedisServer) -> None:
    shared_redis.kill()
    with RunningServer(sharing(settings, shared_redis.url)) as server, client_of(server) as client:
        assert not result(post_png(client, "/classify", IMAGES[0]))["cached"]
    shared_redis.start()


def test_the_folder_of_the_tests_redis_stays_empty(shared_redis: RedisServer) -> None:
    assert list(Path(shared_redis.folder).iterdir()) == []
