"""A running server that many clients push at, and how soon it answers its probes meanwhile.

The clients are a process of their own, so that what they cost is not taken for what the server does, and each is a
bare socket: a library's client takes as much processor time for a request as the server.
"""

import asyncio
import http.client
import itertools
import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import numpy as np

from benchmarks.raw_http import Connection, post
from client.bodies import body_of
from client.images import prepare
from model_store.images import encode_png

PROBES = ("/healthz", "/readyz", "/metrics")

_PICTURES = 4096


@dataclass(frozen=True)
class Pressure:
    """What the clients do, for `seconds`: `clients` of them, each of which sends the next request of so many `images`
    when the last one is answered, or `pause_s` after it was refused, which is sooner than it was told."""

    seconds: float
    clients: int = 200
    images: int = 4
    pause_s: float = 0.1
    effort: str = "fast"


@dataclass(frozen=True)
class PushResult:
    """How many requests ended with each status, 0 being a lost connection; how long each that was answered with 200
    took, and all together, in s."""

    statuses: dict[int, int]
    latencies: list[float]
    seconds: float


@dataclass(frozen=True)
class PressureReport:
    """What the clients got, and how long each answer to a probe took, in s, by path."""

    push: PushResult
    images_per_s: float
    probes: dict[str, list[float]]


def measure_pressure(
    url: str, pressure: Pressure, *, shape: Sequence[int], interval_s: float = 0.02, warm_up_s: float = 2.0
) -> PressureReport:
    """Pushes at a ready server, and asks each of its probes all the while.

    Args:
        url: the server's.
        pressure: what the clients do.
        shape: (C, H, W) of the images.
        interval_s: from one question to the next.
        warm_up_s: how long the clients push before anything is measured.
    """
    pictures = random_pictures(_PICTURES, shape)
    over = threading.Event()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as crowd, ThreadPoolExecutor(len(PROBES)) as askers:
        crowd.submit(push, url, replace(pressure, seconds=warm_up_s), pictures).result()
        pushed = crowd.submit(push, url, pressure, pictures)
        asked = {path: askers.submit(ask_again, url, path, over, interval_s) for path in PROBES}
        try:
            result = pushed.result()
        finally:
            over.set()
        probes = {path: latencies.result() for path, latencies in asked.items()}
    return PressureReport(result, len(result.latencies) * pressure.images / result.seconds, probes)


def random_pictures(count: int, shape: Sequence[int]) -> list[bytes]:
    """Different PNGs of noise, so that neither a cache nor another request's answer helps."""
    generator = np.random.default_rng(0)
    return [encode_png(generator.integers(0, 256, tuple(shape), dtype=np.uint8)) for _ in range(count)]


def ask_again(url: str, path: str, over: threading.Event, interval_s: float) -> list[float]:
    """How long each answer took, in s, one after the other until it is over.

    Raises:
        RuntimeError: an answer was not 200.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    latencies: list[float] = []
    while not over.wait(max(0.0, interval_s - (latencies[-1] if latencies else 0.0))):
        started = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        latencies.append(time.perf_counter() - started)
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: expected 200, got {answer.status}")
    connection.close()
    return latencies


def push(url: str, pressure: Pressure, pictures: list[bytes]) -> PushResult:
    """Lets the clients send their requests until the time is over, and waits for the last answers."""
    return asyncio.run(_push(url, pressure, pictures))


async def _push(url: str, pressure: Pressure, pictures: list[bytes]) -> PushResult:
    groups = [pictures[first : first + pressure.images] for first in range(0, len(pictures), pressure.images)]
    # One after the other for all clients, so that no two of them ask about the same picture at the same time.
    requests = itertools.cycle([_request(group, pressure.effort) for group in groups])
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    began = time.perf_counter()

    async def client() -> None:
        connection = await Connection.open(url)
        while time.perf_counter() - began < pressure.seconds:
            started = time.perf_counter()
            try:
                status = await connection.ask(next(requests))
            except (OSError, asyncio.IncompleteReadError):
                statuses[0] += 1
                connection = await Connection.open(url)
                continue
            statuses[status] += 1
            if status == http.client.OK:
                latencies.append(time.perf_counter() - started)
            else:
                await asyncio.sleep(pressure.pause_s)
        connection.close()

    await asyncio.gather(*(client() for _ in range(pressure.clients)))
    return PushResult(dict(statuses), latencies, time.perf_counter() - began)


def _request(pictures: list[bytes], effort: str) -> bytes:
    body = body_of(list(prepare(pictures)))
    return post(f"/classify?effort={effort}", body.content, {"Content-Type": body.content_type})
