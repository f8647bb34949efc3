"""The second tier: answers and images that other servers have seen, through Redis."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from service.cache.keys import answer_keys, image_key
from service.cache.lru import LruCache
from service.cache.redis_store import TIER, RedisStore
from service.cache.values import (
    MAX_VALUE_BYTES,
    Dimensions,
    InvalidValueError,
    decode_answer,
    decode_image,
    encode,
)
from service.cache.write_behind import WriteBehind
from service.images.served_image import ServedImage
from service.jobs import Job, Outcome, answer_class
from service.telemetry.context import run_in
from service.telemetry.metrics import Metrics

MiB = 1024 * 1024

_MAX_WRITES = 4096
_MAX_WRITES_BYTES = 32 * MiB
_BATCH_BYTES = 1 * MiB
_LAST_WRITES_S = 1.0
# An image is seen with each of its requests. It is written again now and then, so that its time to live begins anew.
_REWRITE_S = 60.0
_REMEMBERED_BYTES = 4 * MiB
_OVERHEAD_BYTES = 1024

T = TypeVar("T", bound=Outcome)
V = TypeVar("V")


@dataclass(frozen=True)
class _Write:
    """A value to write under a key; None deletes the key."""

    key: str
    value: Outcome | ServedImage | None


class SharedCache:
    """Answers and images in Redis. Reading waits for Redis for a bounded time, writing not at all; neither raises.

    Belongs to one event loop, from `start` to `close`.
    """

    def __init__(
        self,
        store: RedisStore,
        *,
        dimensions: Callable[[str], Dimensions | None],
        ttl_s: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        store: where the bytes are.
        dimensions: of a model, by its digest; None of one that is not served here.
        ttl_s: the store's.
        metrics: where hits, misses and invalid values are counted.
        clock: of the times to live, in s.
        """
        self._store = store
        self._dimensions = dimensions
        self._metrics = metrics
        self._written: LruCache[bool] = LruCache(
            max_bytes=_REMEMBERED_BYTES, ttl_s=min(_REWRITE_S, ttl_s / 2), clock=clock
        )
        # Its own, so that no request waits for others' work.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache")
        self._writes: WriteBehind[_Write] = WriteBehind(
            self._write, max_items=_MAX_WRITES, max_bytes=_MAX_WRITES_BYTES, batch_bytes=_BATCH_BYTES
        )

    def start(self) -> None:
        """Begins to write."""
        self._writes.start()

    async def close(self) -> None:
        """Writes what waits, for a moment, and closes the connections."""
        lost = await self._writes.close(seconds=_LAST_WRITES_S)
        self._metrics.cache_dropped_writes.labels("shutdown").inc(lost)
        await self._store.close()
        self._thread.shutdown(wait=False)

    async def image(self, identity: str) -> ServedImage | None:
        """An image that any server kept."""
        key = image_key(identity)
        if key is None:
            return None
        found = await self._read("image", [key], lambda key, data: decode_image(data, key=key, identity=identity))
        return found.get(key)

    async def answers(self, job: Job[T], identities: Sequence[str]) -> dict[str, T]:
        """The answers to a job that any server kept, by the identity of the image that each is about."""
        dimensions = self._dimensions(job.model)
        if dimensions is None or not identities:
            return {}
        keys, kind = answer_keys(job, identities), answer_class(job)
        found = await self._read(
            "answer",
            list(keys.values()),
            lambda key, data: decode_answer(data, key=key, kind=kind, dimensions=dimensions),
        )
        return {identity: found[key] for identity, key in keys.items() if key in found}

    def keep_image(self, image: ServedImage) -> None:
        """Writes an image soon."""
        key = image_key(image.identity)
        if key is not None and self._written.get(key) is None:
            self._put(_Write(key, image), image.pixels.nbytes)

    def keep_answers(self, job: Job[T], outcomes: Mapping[str, T]) -> None:
        """Writes answers soon, by their image's identity."""
        keys = answer_keys(job, outcomes)
        for identity, outcome in outcomes.items():
            self._put(_Write(keys[identity], outcome), outcome.nbytes)

    async def _read(self, kind: str, keys: Sequence[str], decode: Callable[[str, bytes], V]) -> dict[str, V]:
        """The valid values; the others are deleted."""
        if self._store.is_left_alone:
            return {}
        data = await self._store.get(keys, max_bytes=MAX_VALUE_BYTES)
        values = await run_in(self._thread, lambda: _decode_all(data, decode)) if data else {}
        for key in data.keys() - values.keys():
            self._metrics.cache_errors.labels(TIER, "invalid").inc()
            self._put(_Write(key, None), 0)
        self._metrics.cache_tier_hits.labels(TIER, kind).inc(len(values))
        self._metrics.cache_tier_misses.labels(TIER, kind).inc(len(keys) - len(values))
        return values

    def _put(self, write: _Write, nbytes: int) -> None:
        if nbytes + _OVERHEAD_BYTES > MAX_VALUE_BYTES:
            self._drop("too-large")
        elif self._store.is_left_alone:
            self._drop("left-alone")
        elif not self._writes.put(write, nbytes + _OVERHEAD_BYTES):
            self._drop("queue-full")

    async def _write(self, writes: Sequence[_Write]) -> None:
        values = await run_in(self._thread, lambda: _encode_all(writes))
        written = await self._store.set(values)
        self._drop("failed", sum(key not in written for key, value in values.items() if value is not None))
        for write in writes:
            if isinstance(write.value, ServedImage) and write.key in written:
                self._written.put(write.key, True, 0)

    def _drop(self, reason: str, count: int = 1) -> None:
        self._metrics.cache_dropped_writes.labels(reason).inc(count)


def _decode_all(data: Mapping[str, bytes], decode: Callable[[str, bytes], V]) -> dict[str, V]:
    values = {}
    for key, content in data.items():
        try:
            values[key] = decode(key, content)
        except InvalidValueError:
            continue
    return values


def _encode_all(writes: Sequence[_Write]) -> dict[str, bytes | None]:
    """The last value of every key."""
    return {write.key: None if write.value is None else encode(write.key, write.value) for write in writes}


def open_shared_cache(
    url: str,
    *,
    timeout_s: float,
    ttl_s: float,
    dimensions: Callable[[str], Dimensions | None],
    metrics: Metrics,
) -> SharedCache:
    """A second tier in the Redis at a URL; nothing is asked of it yet.

    Raises:
        ValueError: as `parse_redis_url` does.
    """
    store = RedisStore(url, timeout_s=timeout_s, ttl_s=ttl_s, metrics=metrics)
    return SharedCache(store, dimensions=dimensions, ttl_s=ttl_s, metrics=metrics)
