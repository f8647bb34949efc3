import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from service.cache import redis_store, shared
from service.cache.keys import answer_keys, image_key
from service.cache.shared import SharedCache, open_shared_cache
from service.cache.values import MAX_VALUE_BYTES
from service.images.served_image import ServedImage, identity_of
from service.jobs import Classify, Outcome, Scores, answer_class
from service.telemetry.metrics import Metrics
from tests.service.cache.samples import DIMENSIONS, JOBS, bounds, equal, image, scores
from tests.service.redis_server import RedisServer

JOB = JOBS[0]


class Replica:
    """One server's view of the Redis, and what it counted."""

    def __init__(self, url: str, *, timeout_s: float = 30.0, ttl_s: float = 1000.0) -> None:
        self.metrics = Metrics()
        self.cache: SharedCache = open_shared_cache(
            url,
            timeout_s=timeout_s,
            ttl_s=ttl_s,
            dimensions=lambda digest: DIMENSIONS if digest == JOB.model else None,
            metrics=self.metrics,
        )

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"eabs_cache_{name}_total", labels) or 0.0

    def invalid(self) -> float:
        return self.count("errors", tier="redis", kind="invalid")

    def hits_and_misses(self, kind: str) -> tuple[float, float]:
        found, missed = (self.count(f"tier_{name}", tier="redis", kind=kind) for name in ("hits", "misses"))
        return found, missed

    async def written(self) -> None:
        """Waits until nothing is left to write."""
        while len(self.cache._writes):
            await asyncio.sleep(0.001)


def with_replicas(test: Callable[..., Awaitable[None]], *replicas: Replica) -> None:
    """Runs a test with started replicas, closes them, and checks that they leave no task behind."""

    async def run() -> None:
        for replica in replicas:
            replica.cache.start()
        try:
            await test(*replicas)
        finally:
            for replica in replicas:
                await replica.cache.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def outcome_of(job: Any, seed: int = 0) -> Outcome:
    return scores(seed) if answer_class(job) is Scores else bounds(seed)


def test_what_one_replica_keeps_another_finds(redis: RedisServer) -> None:
    async def test(one: Replica, other: Replica) -> None:
        images = [image(seed) for seed in range(3)]
        for each in images:
            one.cache.keep_image(each)
        for job in JOBS:
            one.cache.keep_answers(job, {str(seed): outcome_of(job, seed) for seed in range(3)})
        await one.written()
        for each in images:
            found = await other.cache.image(each.identity)
            assert equal(found, each)
        for job in JOBS:
            answers = await other.cache.answers(job, ["0", "1", "2", "absent"])
            assert answers.keys() == {"0", "1", "2"}
            assert all(equal(answer, outcome_of(job, int(seed))) for seed, answer in answers.items())
        assert await other.cache.image(image(4).identity) is None
        assert other.hits_and_misses("answer") == (3 * len(JOBS), len(JOBS))
        assert other.hits_and_misses("image") == (3, 1)

    with_replicas(test, Replica(redis.url), Replica(redis.url))


def test_what_is_kept_when_a_replica_ends_is_still_written(redis: RedisServer) -> None:
    async def keep(one: Replica) -> None:
        one.cache.keep_answers(JOB, {"0": scores()})

    async def find(other: Replica) -> None:
        assert await other.cache.answers(JOB, ["0"])

    with_replicas(keep, Replica(redis.url))
    with_replicas(find, Replica(redis.url))


@contextmanager
def spoilt(redis: RedisServer, how: str, key: str, other: str) -> Iterator[None]:
    with redis.client() as client:
        data = client.get(key)
        assert data
        if how == "a list":
            client.delete(key)
            client.rpush(key, data)
        elif how == "a hash":
            client.delete(key)
            client.hset(key, "field", data)
        elif how == "another key's value":
            assert client.copy(other, key, replace=True)
        else:
            garbage = {
                "garbage": b"garbage",
                "half of it": data[: len(data) // 2],
                "a flipped bit": data[:-1] + bytes([data[-1] ^ 1]),
                "twice": data * 2,
                "much": bytes(2 * MAX_VALUE_BYTES),
            }
            client.set(key, garbage[how])
        yield
        # What was wrong is deleted.
        assert not client.exists(key)


@pytest.mark.parametrize(
    "how",
    ["a list", "a hash", "another key's value", "garbage", "half of it", "a flipped bit", "twice", "much"],
)
def test_what_is_wrong_under_a_key_is_a_miss_and_is_deleted(redis: RedisServer, how: str) -> None:
    key, other = answer_keys(JOB, ["0", "1"]).values()
    pictures = [image(0), image(1)]
    image_keys = [image_key(each.identity) or "" for each in pictures]

    async def test(one: Replica) -> None:
        one.cache.keep_answers(JOB, {"0": scores(0), "1": scores(1)})
        for each in pictures:
            one.cache.keep_image(each)
        await one.written()
        with spoilt(redis, how, key, other), spoilt(redis, how, *image_keys):
            found = await one.cache.answers(JOB, ["0", "1"])
            assert found.keys() == {"1"}
            assert equal(found["1"], scores(1))
            assert await one.cache.image(pictures[0].identity) is None
            await one.written()
        assert one.invalid() == 2
        one.cache.keep_answers(JOB, {"0": scores(0)})
        await one.written()
        assert (await one.cache.answers(JOB, ["0"])).keys() == {"0"}

    with_replicas(test, Replica(redis.url))


def test_answers_of_a_model_that_is_not_served_here_are_not_asked_for(redis: RedisServer) -> None:
    async def test(one: Replica) -> None:
        assert await one.cache.answers(Classify("sha256:other", JOB.settings), ["0"]) == {}
        assert await one.cache.answers(JOB, []) == {}
        assert await one.cache.image("no identity") is None

    replica = Replica(redis.url)
    with_replicas(test, replica)
    assert replica.metrics.registry.get_sample_value("eabs_redis_seconds_count", {"operation": "read"}) is None


def test_an_image_that_is_seen_often_is_written_now_and_then(redis: RedisServer) -> None:
    class Clock:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    replica = Replica(redis.url)
    replica.cache = SharedCache(
        replica.cache._store,
        dimensions=lambda _: DIMENSIONS,
        ttl_s=1000,
        metrics=replica.metrics,
        clock=clock,
    )
    (key,) = [image_key(image().identity)]

    async def test(one: Replica) -> None:
        with redis.client() as client:
            for now, is_written in ((0, True), (1, False), (59, False), (61, True), (62, False)):
                clock.now = now
                client.delete(key)
                one.cache.keep_image(image())
                await one.written()
                assert bool(client.exists(key)) is is_written

    with_replicas(test, replica)


def test_an_image_whose_write_failed_is_written_when_it_is_seen_again(redis: RedisServer) -> None:
    async def test(one: Replica) -> None:
        with redis.client() as client:
            client.config_set("maxmemory", "1")
            one.cache.keep_image(image())
            await one.written()
            assert one.count("dropped_writes", reason="failed") == 1
            client.config_set("maxmemory", "0")
            one.cache.keep_image(image())
            await one.written()
            assert client.exists(image_key(image().identity))

    with_replicas(test, Replica(redis.url))


def test_a_redis_that_hangs_does_not_make_memory_grow(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_MAX_WRITES", 100)
    monkeypatch.setattr(shared, "_LAST_WRITES_S", 0.01)
    replica = Replica(redis.url)

    async def test(one: Replica) -> None:
        with redis.frozen():
            for index in range(250):
                one.cache.keep_answers(JOB, {str(index): scores()})
            assert len(one.cache._writes) == 100
            assert one.count("dropped_writes", reason="queue-full") == 150

    with_replicas(test, replica)
    # The rest was in time, or was lost when the replica ended.
    assert replica.count("dropped_writes", reason="shutdown") + len(redis.keys("answer")) >= 100


def test_nothing_is_written_while_redis_is_left_alone(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "_PAUSE_S", 60)
    redis.kill()

    async def test(one: Replica) -> None:
        while not one.cache._store.is_left_alone:
            await one.cache.answers(JOB, ["0"])
        asked = sum(one.hits_and_misses("answer"))
        one.cache.keep_answers(JOB, {"0": scores()})
        assert await one.cache.answers(JOB, ["0"]) == {}
        assert one.count("dropped_writes", reason="left-alone") == 1
        assert sum(one.hits_and_misses("answer")) == asked

    with_replicas(test, Replica(redis.url))


def test_what_is_too_large_is_not_written(redis: RedisServer) -> None:
    pixels = np.zeros((1, 1024, 1024), np.float32)

    async def test(one: Replica) -> None:
        one.cache.keep_image(ServedImage(pixels, identity_of(pixels)))
        assert len(one.cache._writes) == 0
        assert one.count("dropped_writes", reason="too-large") == 1

    with_replicas(test, Replica(redis.url))
