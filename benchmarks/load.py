"""A running server under load that arrives by itself, whether it keeps up or not.

Requests are sent at the times of a Poisson process, and each latency counts from the time at which its request was
meant to be sent: what waits because the server is slow is counted as slow (no coordinated omission).
"""

import asyncio
import http.client
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.raw_http import Connection

# Fewer than a server takes by default (EABS_MAX_CONNECTIONS).
_CONNECTIONS = 800
_PATIENCE_S = 120.0
_KEPT_UP = 0.95
_REFUSED = 0.01


@dataclass(frozen=True)
class RequestForm:
    """A way to send so many `images` in each of the `requests`, which are sent in turn."""

    name: str
    images: int
    requests: Sequence[bytes]


@dataclass(frozen=True)
class LoadLevel:
    """What a server did at one rate.

    offered: images/s that arrived.
    achieved: images/s that were answered with 200, up to the last answer.
    p50_ms, p95_ms, p99_ms, max_ms: of those answers, from when each was meant to be asked for; None if there were none.
    rejected: share of requests that were refused with 429.
    errors: share of requests that ended otherwise: another status, or a lost connection.
    """

    form: str
    offered: float
    achieved: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    rejected: float
    errors: float

    @property
    def kept_up(self) -> bool:
        """Whether nearly all that arrived was answered, about as fast as it came."""
        return self.achieved >= _KEPT_UP * self.offered and self.rejected + self.errors <= _REFUSED


def knee(levels: Sequence[LoadLevel]) -> LoadLevel | None:
    """The highest rate that the server kept up with, below the first that it did not; None if it kept up with none."""
    *_, last = (None, *itertools.takewhile(lambda level: level.kept_up, sorted(levels, key=lambda one: one.offered)))
    return last


def arrivals(count: int, seconds: float, *, seed: int = 0) -> list[float]:
    """When so many requests arrive, in s from now.

    A Poisson process that is known to have `count` arrivals in that time: all that is compared is offered as much.
    """
    return sorted(np.random.default_rng(seed).uniform(0.0, seconds, count).tolist())


def drive(
    url: str, form: RequestForm, *, rate: float, seconds: float, seed: int = 0, connections: int = _CONNECTIONS
) -> LoadLevel:
    """Lets images arrive at a server for some time, and waits for the last answer.

    Args:
        url: the server's, `http://host:port`.
        form: how the images are sent.
        rate: images/s, to a whole number of requests and at least one.
        seconds: how long they arrive.
        seed: of the times of arrival.
        connections: open at a time; an arrival beyond them waits, and its latency grows.
    """
    times = arrivals(max(1, round(rate * seconds / form.images)), seconds, seed=seed)
    answers, took = asyncio.run(_Load(url, form, connections).run(times))
    statuses = Counter(status for status, _ in answers)
    good = [1e3 * latency for status, latency in answers if status == http.client.OK]
    p50, p95, p99, longest = np.quantile(good, (0.5, 0.95, 0.99, 1.0)).tolist() if good else [None] * 4
    refused = statuses[http.client.TOO_MANY_REQUESTS]
    return LoadLevel(
        form=form.name,
        offered=len(times) * form.images / seconds,
        achieved=len(good) * form.images / max(seconds, took),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=longest,
        rejected=refused / len(times),
        errors=(len(times) - refused - len(good)) / len(times),
    )


class _Load:
    """Sends requests when it is time, over as many connections as that needs."""

    def __init__(self, url: str, form: RequestForm, connections: int) -> None:
        self._url, self._form = url, form
        self._idle: list[Connection] = []
        self._room = asyncio.Semaphore(connections)

    async def run(self, times: Sequence[float]) -> tuple[list[tuple[int, float]], float]:
        """Every request's status, 0 being a lost connection, and latency in s; and how long all took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        tasks = []
        for at, request in zip(times, itertools.cycle(self._form.requests), strict=False):
            await asyncio.sleep(began + at - loop.time())
            tasks.append(asyncio.create_task(self._one(request, began + at)))
        answers = await asyncio.gather(*tasks)
        took = loop.time() - began
        for connection in self._idle:
            connection.close()
        return answers, took

    async def _one(self, request: bytes, meant_at: float) -> tuple[int, float]:
        async with self._room:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    status = await self._ask(request)
            except (OSError, asyncio.IncompleteReadError):
                status = 0
        return status, asyncio.get_running_loop().time() - meant_at

    async def _ask(self, request: bytes) -> int:
        connection = await self._connection()
        try:
            return await connection.ask(request)
        finally:
            if connection.usable:
                self._idle.append(connection)
            else:
                connection.close()

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return await Connection.open(self._url)
