"""Images that arrive one by one at random: ways to batch them, by latency and throughput.

Three ways, on as many threads as there are cores:
- `one batch`: the engine takes all that waits, shares it out over its threads, and takes no more until it is done;
- `small batches`: every thread takes a few that wait, and takes more when it is done with those;
- `continuous`: every thread takes in an image whenever it has room, between any two steps of those under way.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import torch

from eabs.inference import LatentInference
from eabs.settings import QuasiNewtonSettings

_SMALL = 4
_LARGE = 32
_SLOTS = (2, 4, 8)


@dataclass(frozen=True)
class ArrivalsResult:
    """One way to batch under one load: `load` as a share of what small batches can do at most; latencies in ms."""

    way: str
    load: float
    p50_ms: float
    p99_ms: float
    images_per_s: float


class _Load:
    """Images that arrive at given times; remembers how long each took."""

    def __init__(self, images: torch.Tensor, arrivals: torch.Tensor) -> None:
        self.waiting: queue.SimpleQueue[tuple[float, torch.Tensor]] = queue.SimpleQueue()
        self.latencies: list[float] = []
        self._images, self._arrivals = images, arrivals.tolist()
        self._closed = threading.Event()

    def run(self) -> None:
        """Lets the images arrive, in real time."""
        started = time.perf_counter()
        for index, at in enumerate(self._arrivals):
            time.sleep(max(0.0, started + at - time.perf_counter()))
            self.waiting.put((started + at, self._images[index % len(self._images)]))
        self._closed.set()

    def take(self, most: int, *, patiently: bool) -> list[tuple[float, torch.Tensor]] | None:
        """Up to `most` that wait; if patiently, at least one. None once there will be no more."""
        taken: list[tuple[float, torch.Tensor]] = []
        while len(taken) < most:
            try:
                taken.append(self.waiting.get(timeout=0.005) if patiently and not taken else self.waiting.get_nowait())
            except queue.Empty:
                if taken or not patiently:
                    break
                if self._closed.is_set() and self.waiting.empty():
                    return None
        return taken

    def done(self, arrived: float) -> None:
        """An image that arrived then has its answer now."""
        self.latencies.append(time.perf_counter() - arrived)


def compare_arrivals(
    make: Callable[[int], LatentInference],
    images: torch.Tensor,
    settings: QuasiNewtonSettings,
    *,
    threads: int,
    loads: tuple[float, ...] = (0.3, 0.6, 0.9),
    seconds: float = 20.0,
) -> list[ArrivalsResult]:
    """Runs every way under every load.

    Args:
        make: the engine on so many threads.
        images: (B, C, H, W), that arrive in turn.
        settings: how each is solved.
        threads: the cores.
        loads: shares of the capacity.
        seconds: how long images arrive.
    """
    engine = make(threads)
    ways: dict[str, Callable[[_Load], None]] = {
        "one batch": lambda load: _one_batch(load, engine, settings),
        f"small batches of {_SMALL}": lambda load: _on_threads(threads, _small_batches, load, make(1), settings),
    }
    for slots in _SLOTS:
        ways[f"continuous, {slots} images a thread"] = partial(_run_continuous, threads, make(1), settings, slots)
    engine.infer(images[: threads * _SMALL], settings)
    started = time.perf_counter()
    engine.infer(images, settings)
    capacity = len(images) / (time.perf_counter() - started)
    results = []
    for share in loads:
        generator = torch.Generator().manual_seed(0)
        gaps = torch.empty(max(2, int(share * capacity * seconds))).exponential_(share * capacity, generator=generator)
        for name, serve in ways.items():
            load = _Load(images, gaps.cumsum(0))
            began = time.perf_counter()
            with ThreadPoolExecutor(1) as source:
                source.submit(load.run)
                serve(load)
            took = time.perf_counter() - began
            found = torch.tensor(load.latencies)
            p50, p99 = (1e3 * found.quantile(q).item() for q in (0.5, 0.99))
            results.append(ArrivalsResult(name, share, p50, p99, len(found) / took))
    return results


def _one_batch(load: _Load, engine: LatentInference, settings: QuasiNewtonSettings) -> None:
    while (taken := load.take(_LARGE, patiently=True)) is not None:
        engine.infer(torch.stack([image for _, image in taken]), settings)
        for arrived, _ in taken:
            load.done(arrived)


def _run_continuous(
    threads: int, engine: LatentInference, settings: QuasiNewtonSettings, slots: int, load: _Load
) -> None:
    _on_threads(threads, _continuous, load, engine, settings, slots)


def _on_threads(threads: int, work: Callable[..., None], load: _Load, *arguments: object) -> None:
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for future in [pool.submit(work, load, *arguments) for _ in range(threads)]:
            future.result()


@torch.inference_mode()
def _small_batches(load: _Load, engine: LatentInference, settings: QuasiNewtonSettings) -> None:
    while (taken := load.take(_SMALL, patiently=True)) is not None:
        images = torch.stack([image for _, image in taken])
        descent = engine.descent(settings)
        descent.admit(images, engine.start(images, settings))
        while len(descent):
            descent.step()
        for arrived, _ in taken:
            load.done(arrived)


@torch.inference_mode()
def _continuous(load: _Load, engine: LatentInference, settings: QuasiNewtonSettings, slots: int) -> None:
    descent = engine.descent(settings)
    arrivals: dict[int, float] = {}
    while True:
        if len(descent) < slots:
            taken = load.take(slots - len(descent), patiently=not len(descent))
            if taken is None:
                return
            if taken:
                images = torch.stack([image for _, image in taken])
                tickets = descent.admit(images, engine.start(images, settings))
                arrivals |= dict(zip(tickets, (arrived for arrived, _ in taken), strict=True))
        if (finished := descent.step()) is not None:
            for ticket in finished.tickets:
                load.done(arrivals.pop(ticket))
