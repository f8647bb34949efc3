"""A running server under load from another process, beside the bare engine in the same run."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.machine import peak_memory_mb
from benchmarks.ports import free_port
from client import ONCE, AsyncClient, Client, ConnectionFailed, Unavailable
from eabs.settings import Effort

_READY_TIMEOUT_S = 60.0
_POLL_S = 0.02


@dataclass(frozen=True)
class ServerReport:
    """What a server did: seconds until it was ready, throughput, latency percentiles, its memory.

    `engine_images_per_s` is the bare engine's throughput at the server's batch size on the same images.
    """

    ready_s: float
    clients: int
    images: int
    images_per_s: float
    p50_ms: float
    p99_ms: float
    peak_memory_mb: float
    engine_images_per_s: float

    @property
    def share_of_engine(self) -> float:
        """Throughput over the bare engine's."""
        return self.images_per_s / self.engine_images_per_s


@dataclass(frozen=True)
class LoadResult:
    """How long every answered request took, in s, and the whole load."""

    latencies: list[float]
    seconds: float


class RunningServer:
    """`eabs serve` as a process of its own on a free loopback port; a context manager that ends it."""

    def __init__(self, *, store: str, model: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # The cache would answer a repeated image without the engine, which is not what is measured.
        environment = {**os.environ, "EABS_CACHE_BYTES": "0", "EABS_LOG_LEVEL": "warning"}
        command = [sys.executable, "-m", "cli.main", "serve", "--model", model]
        self._started = time.perf_counter()
        self._process = subprocess.Popen([*command, "--store", store, "--port", str(port)], env=environment)

    def wait_until_ready(self) -> float:
        """Seconds from the start of the process to the first ready answer.

        Raises:
            RuntimeError: the process ended, or was not ready in a minute.
        """
        with Client(self.url) as client:
            while time.perf_counter() - self._started < _READY_TIMEOUT_S:
                if self._process.poll() is not None:
                    raise RuntimeError(f"the server ended with {self._process.returncode} before it was ready")
                try:
                    client.ready()
                except (ConnectionFailed, Unavailable):
                    time.sleep(_POLL_S)
                else:
                    return time.perf_counter() - self._started
        raise RuntimeError(f"the server was not ready after {_READY_TIMEOUT_S:.0f} s")

    def peak_memory_mb(self) -> float:
        """The most memory that the server ever had resident, in MB (10^6 bytes)."""
        return peak_memory_mb(self._process.pid)

    def __enter__(self) -> "RunningServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


async def load(url: str, pictures: list[bytes], *, clients: int, requests: int, effort: Effort) -> LoadResult:
    """Sends `requests` single-image requests from `clients` concurrent clients, each waiting for its answer."""
    numbers = iter(range(requests))
    latencies: list[float] = []

    async def ask(client: AsyncClient) -> None:
        for number in numbers:
            started = time.perf_counter()
            await client.classify(pictures[number % len(pictures)], effort=effort)
            latencies.append(time.perf_counter() - started)

    async with AsyncClient(url, timeout_s=120, retries=ONCE, max_connections=clients) as client:
        started = time.perf_counter()
        await asyncio.gather(*(ask(client) for _ in range(clients)))
        return LoadResult(latencies, time.perf_counter() - started)
