"""Redis as a store of bytes that may fail, hang or lie without harming who asks it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from redis.asyncio import Redis
from redis.asyncio.connection import ConnectionPool, RedisSSLContext, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import TimeoutError as NoResponseError

from service.cache.breaker import CircuitBreaker
from service.cache.redis_url import parse_redis_url
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

TIER = "redis"

_READS_AT_ONCE = 16
_FAILURES = 5  # in a row, before Redis is left alone
_PAUSE_S = 2.0  # before each probe whether it is well again

T = TypeVar("T")


class RedisStore:
    """Values by key, in one round trip for many keys. No method raises: what failed is counted and logged.

    A call takes at most `timeout_s`, from waiting for a connection to the last byte of the reply, and is not tried
    again. After failures in a row nobody waits for Redis at all, until a probe in the background finds it well.
    Belongs to one event loop.
    """

    def __init__(self, url: str, *, timeout_s: float, ttl_s: float, metrics: Metrics) -> None:
        """Args:
        url: see `parse_redis_url`.
        timeout_s: for one call, in s.
        ttl_s: how long a value is kept, in s.
        metrics: where calls, errors and the breaker's state are counted.

        Raises:
            ValueError: as `parse_redis_url` does, or a file of TLS options cannot be read.
        """
        options = parse_redis_url(url)
        self._address = f"{options['host']}:{options.get('port', 6379)}"
        self._redis = Redis.from_pool(
            ConnectionPool(
                **_with_one_tls_context(options),
                max_connections=_READS_AT_ONCE + 2,  # one writes, one probes
                # `_attempt` limits a call as a whole. A limit of each of its writes would be kept by asyncio.wait_for,
                # which loses a cancellation that comes just as the write ends.
                socket_timeout=None,
                socket_connect_timeout=timeout_s,
                retry=Retry(NoBackoff(), 0),
                protocol=2,  # the greeting of version 3, and the driver's name, would be round trips of a connection
                driver_info=None,
            )
        )
        # Who waits for a connection may be cancelled, which the pool's own waiting was not made for.
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._timeout_s = timeout_s
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._metrics = metrics
        self._breaker = CircuitBreaker(self._is_well, failures=_FAILURES, pause_s=_PAUSE_S)
        metrics.watch(metrics.redis_breaker_open, lambda: float(self._breaker.is_open))

    @property
    def is_left_alone(self) -> bool:
        """Whether calls return at once, with nothing."""
        return self._breaker.is_open

    async def get(self, keys: Sequence[str], *, max_bytes: int) -> dict[str, bytes]:
        """The values that are there, each as far as `max_bytes`; b"" where what is there is no string."""

        async def read() -> list[Any]:
            async with self._reads:
                pipeline = self._redis.pipeline(transaction=False)
                for key in keys:
                    # Another program's gigabyte under our key must not come here whole.
                    pipeline.getrange(key, 0, max_bytes - 1)
                return await pipeline.execute(raise_on_error=False)

        replies = await self._call("read", read)
        if replies is None:
            return {}
        found = {}
        for key, reply in zip(keys, replies, strict=True):
            if isinstance(reply, ResponseError) and not str(reply).startswith("WRONGTYPE"):
                self._count(_kind_of(reply))
            elif reply:
                found[key] = reply if isinstance(reply, bytes) else b""
        return found

    async def set(self, values: Mapping[str, bytes | None]) -> frozenset[str]:
        """Writes values, and deletes the keys of None.

        Returns:
            The keys whose values were written.
        """

        async def write() -> list[Any]:
            pipeline = self._redis.pipeline(transaction=False)
            for key, value in values.items():
                if value is None:
                    pipeline.unlink(key)
                else:
                    pipeline.set(key, value, px=self._ttl_ms)
            return await pipeline.execute(raise_on_error=False)

        replies = await self._call("write", write)
        if replies is None:
            return frozenset()
        for reply in replies:
            if isinstance(reply, ResponseError):
                # It says nothing of Redis' health: it answered, and in time.
                self._count(_kind_of(reply))
        written = zip(values.items(), replies, strict=True)
        return frozenset(key for (key, value), reply in written if value is not None and reply is True)

    async def close(self) -> None:
        """Closes the connections."""
        await self._breaker.close()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._redis.aclose()
        except (RedisError, OSError) as error:
            logger.info("Redis at %s was not taken leave of: %s", self._address, type(error).__name__)

    async def _is_well(self) -> bool:
        async def ping() -> list[Any]:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.ping()
            return await pipeline.execute()

        well = await self._attempt("probe", ping) is not None
        if well:
            logger.info("Redis at %s is well again", self._address)
        return well

    async def _call(self, operation: Literal["read", "write"], call: Callable[[], Awaitable[T]]) -> T | None:
        """The call's result; None where it failed, or Redis is left alone."""
        if self._breaker.is_open:
            return None
        result = await self._attempt(operation, call)
        if result is not None:
            self._breaker.succeeded()
        elif self._breaker.failed():
            logger.warning("Redis at %s is left alone: %d failures in a row", self._address, _FAILURES)
        return result

    async def _attempt(self, operation: str, call: Callable[[], Awaitable[T]]) -> T | None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await call()
        except (RedisError, OSError) as error:
            self._count(_kind_of(error))
            logger.debug("Redis at %s: %s", self._address, type(error).__name__)
        except Exception:
            # What is no Redis at all answers in a way that its client did not expect.
            self._count("other")
            logger.exception("Redis at %s gave an answer that could not be read", self._address)
        finally:
            self._metrics.redis_seconds.labels(operation).observe(time.perf_counter() - started)
        return None

    def _count(self, kind: str) -> None:
        self._metrics.cache_errors.labels(TIER, kind).inc()


class _TLSConnection(SSLConnection):
    """One of many connections with the same certificates. To load these takes the event loop tens of ms each time."""

    def __init__(self, *, context: RedisSSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context = context


def _with_one_tls_context(options: dict[str, Any]) -> dict[str, Any]:
    """The options, those of TLS carried out once for all connections."""
    if options.get("connection_class") is not SSLConnection:
        return options
    context = SSLConnection(
        **{name: value for name, value in options.items() if name != "connection_class"}
    ).ssl_context
    try:
        context.get()
    except OSError as error:
        raise ValueError(f"expected readable certificates and keys of rediss://, got {error.strerror}") from None
    return options | {"connection_class": _TLSConnection, "context": context}


def _kind_of(error: Exception) -> str:
    if isinstance(error, TimeoutError | NoResponseError):
        return "timeout"
    if isinstance(error, NoConnectionError | OSError):
        return "connection"
    return "full" if isinstance(error, OutOfMemoryError) else "other"
