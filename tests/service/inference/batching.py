"""A batcher with an engine whose gate a test holds: what is sent to it, and what comes of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eabs.settings import QuasiNewtonSettings
from service.deadline import NO_DEADLINE, Deadline
from service.errors import NotReady, OutOfMemory
from service.inference.batcher import Batcher
from service.inference.fair_queue import Answered
from service.jobs import Classify, Floats, Job, Outcome
from service.telemetry.metrics import Metrics

SLOW = Classify("slow", QuasiNewtonSettings(steps=1))
QUICK = Classify("quick", QuasiNewtonSettings(steps=1))
WIDE = Classify("wide", QuasiNewtonSettings(steps=1, starts=4))
GUILTY = -1.0


@dataclass(frozen=True)
class Value(Outcome):
    value: float


def images(*values: float) -> list[Floats]:
    return [np.full((1, 2, 2), value, np.float32) for value in values]


class Engine:
    """Answers an image with its first pixel, and waits at a gate until it is opened."""

    def __init__(self, *, open_gate: bool = True) -> None:
        self.memory = 1000  # images that fit at once
        self.broken = False
        self.batches: list[tuple[str, list[float]]] = []
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        if open_gate:
            self.gate.set()

    async def run(self, job: Job[Any], batch: Sequence[Floats]) -> Sequence[Any]:
        values = [float(image[0, 0, 0]) for image in batch]
        self.batches.append((job.model, values))
        self.entered.set()
        await self.gate.wait()
        if self.broken:
            raise NotReady("no place answers", retry_after=5)
        if len(values) > self.memory:
            raise OutOfMemory("expected memory, got none", retry_after=5)
        if GUILTY in values:
            raise RuntimeError("this image is guilty")
        return [Value(value) for value in values]


async def answer(
    batcher: Batcher, job: Job[Any], images: Sequence[Floats], *, deadline: Deadline = NO_DEADLINE
) -> list[Answered[Any]]:
    """One request: it submits, waits, and withdraws."""
    items = batcher.submit(job, images, deadline=deadline)
    try:
        return await asyncio.gather(*(item.future for item in items))
    finally:
        batcher.withdraw(items)


def outcomes(answers: Sequence[Answered[Any]]) -> list[float]:
    return [answer.outcome.value for answer in answers]


def with_batcher(
    test: Callable[[Batcher, Engine], Awaitable[None]],
    *,
    open_gate: bool = True,
    places: int = 1,
    max_queue: int = 100,
    max_batch_size: int = 4,
    metrics: Metrics | None = None,
) -> None:
    """Runs a test with a started batcher, and checks that it left nothing behind."""

    async def run() -> None:
        engine = Engine(open_gate=open_gate)
        batcher = Batcher(
            engine.run,
            places=places,
            max_queue=max_queue,
            max_batch_size=max_batch_size,
            metrics=metrics or Metrics(),
        )
        batcher.start()
        await test(batcher, engine)
        engine.gate.set()
        await batcher.drain()
        assert batcher.depth == 0
        assert batcher.running_s == 0

    asyncio.run(run())


async def busy(batcher: Batcher, engine: Engine) -> asyncio.Task[Any]:
    """A request that the engine works on until its gate opens."""
    task = asyncio.create_task(answer(batcher, SLOW, images(0)))
    await engine.entered.wait()
    return task


async def waiting(batcher: Batcher, job: Job[Any], *values: float) -> asyncio.Task[Any]:
    """A request that waits in the queue."""
    task = asyncio.create_task(answer(batcher, job, images(*values)))
    await asyncio.sleep(0)
    return task
