"""Dynamic batching: images that wait are inferred together where their jobs are equal.

A place that is free takes what waits, at once: a batch grows while all places are busy, and nobody waits for company.
The queue is bounded in images. A batch that fails is halved, and its halves are tried, until what failed is alone; one
that does not fit into the device's memory likewise, and the size that fits is remembered.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from service.deadline import Deadline
from service.errors import EngineFailed, NotReady, OutOfMemory, QueueFull, ServiceError
from service.inference.batch_limits import BatchLimits
from service.inference.fair_queue import Answered, FairQueue, Pending
from service.inference.rates import Rates
from service.jobs import Floats, Job, Outcome
from service.telemetry.context import working_for
from service.telemetry.metrics import Metrics
from service.telemetry.tracing import batch_span

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Outcome)

Run = Callable[[Job[Any], Sequence[Floats]], Awaitable[Sequence[Any]]]
"""Answers a job for images (C, H, W), one each. Raises OutOfMemory where they do not fit together, and NotReady where
no images could be answered."""

_RETRY_LIMITS_S = (1, 60)


class Batcher:
    """The queue in front of the engine. Belongs to one event loop."""

    def __init__(
        self,
        run: Run,
        *,
        places: int = 1,
        max_queue: int,
        max_batch_size: int,
        metrics: Metrics,
    ) -> None:
        """Args:
        run: works on one batch; may be called again before it has returned, `places` times in all.
        places: how many batches are worked on at the same time.
        max_queue: images that may wait.
        max_batch_size: images, times the lanes of each, in one batch.
        metrics: what is told of every batch.
        """
        self._run = run
        self._places = places
        self._max_queue = max_queue
        self._limits = BatchLimits(max_lanes=max_batch_size)
        self._rates = Rates()
        self._metrics = metrics
        self._queue = FairQueue()
        self._arrived = asyncio.Event()
        self._closing = False
        self._workers: list[asyncio.Task[None]] = []
        self._running_since: dict[object, float] = {}

    @property
    def depth(self) -> int:
        """Images that wait."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether somebody works on the queue."""
        return any(not worker.done() for worker in self._workers)

    @property
    def running_s(self) -> float:
        """How long the oldest of the present batches has run; 0 between batches."""
        if not self._running_since:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._running_since.values())

    def start(self) -> None:
        """Begins to work on the queue."""
        self._workers = [asyncio.create_task(self._work(), name=f"batcher-{n}") for n in range(self._places)]

    async def drain(self) -> None:
        """Refuses new work, finishes what waits, and returns when nothing is left."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def check_room(self, count: int = 1) -> None:
        """Returns if `count` more images may wait.

        Raises:
            NotReady: nobody works on the queue, or it drains.
            QueueFull: too many wait.
        """
        if self._closing or not self.alive:
            raise NotReady("The server does not take work: it is starting or draining.", retry_after=5)
        if self.depth + count > self._max_queue:
            detail = f"expected at most {self._max_queue} waiting images, got {self.depth} and {count} more"
            raise QueueFull(detail, retry_after=self._retry_after_s())

    def submit(self, job: Job[A], images: Sequence[Floats], *, deadline: Deadline) -> list[Pending[A]]:
        """Lets the images of one request wait for the job's answers; all are admitted, or none.

        Whoever submits must `withdraw` them in the end. Each one's future has an `Answered`, or one of
            EngineFailed: the engine raised for this image alone.
            OutOfMemory: the device has no memory for this image alone.
            NotReady: no image can be answered now.
            DeadlinePassed: before this image was begun.

        Raises:
            NotReady, QueueFull: as `check_room` does.
        """
        self.check_room(len(images))
        items = self._queue.add(job, images, deadline=deadline)
        self._arrived.set()
        return items

    def withdraw(self, items: Iterable[Pending[Any]]) -> None:
        """Forgets images that nobody waits for any more; those that wait are never inferred."""
        self._queue.withdraw(items)

    def _retry_after_s(self) -> int:
        seconds = self._rates.seconds_for(self._queue.counts(), places=self._places)
        low, high = _RETRY_LIMITS_S
        return min(high, max(low, math.ceil(seconds)))

    async def _work(self) -> None:
        try:
            while True:
                while not self._queue:
                    if self._closing:
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
                await self._serve(*self._take())
        finally:
            if sum(not worker.done() for worker in self._workers) == 1:
                # The last worker: nobody is left to answer.
                for item in self._queue:
                    item.fail(EngineFailed(_STOPPED))

    def _take(self) -> tuple[Job[Any], Sequence[Pending[Any]]]:
        """The next batch. Idle places share what waits: two batches of two are done sooner than one of four."""
        job = self._queue.next_job()
        idle = self._places - len(self._running_since)
        share = math.ceil(self.depth / max(1, idle))
        return job, self._queue.take(job, min(self._limits.images(job), share))

    async def _serve(self, job: Job[Any], batch: Sequence[Pending[Any]]) -> None:
        """Answers every image of a batch, one way or the other."""
        try:
            await self._divide(job, batch)
        except Exception as error:
            logger.exception("a batch could not be answered")
            for item in batch:
                item.fail(_shown(error))
        finally:
            for item in batch:
                item.fail(EngineFailed(_STOPPED))

    async def _divide(self, job: Job[Any], batch: Sequence[Pending[Any]]) -> None:
        """Answers a batch together if it can be, and by halves if not. What is no longer wanted is left out."""
        batch = [item for item in batch if item.still_wanted()]
        if not batch:
            return
        if len(batch) <= self._limits.images(job):
            with working_for([request_id for item in batch for request_id in item.request_ids]):
                if await self._answer(job, batch):
                    return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            await self._divide(job, half)

    async def _answer(self, job: Job[Any], batch: Sequence[Pending[Any]]) -> bool:
        """Answers a batch together; whether that is settled, or smaller ones may do better."""
        try:
            await self._infer(job, batch)
        except Exception as error:
            self._metrics.batch_failures.labels(type(job).__name__).inc()
            if isinstance(error, OutOfMemory):
                self._metrics.out_of_memory.labels(type(job).__name__).inc()
                self._limits.did_not_fit(job, len(batch))
            if len(batch) > 1 and not isinstance(error, NotReady):
                logger.warning("a batch of %d failed and is halved: %r", len(batch), error)
                return False
            logger.error("inference failed", exc_info=error)
            for item in batch:
                item.fail(_shown(error))
        return True

    async def _infer(self, job: Job[Any], batch: Sequence[Pending[Any]]) -> None:
        name = type(job).__name__
        self._metrics.batch_size.labels(name).observe(len(batch))
        clock = asyncio.get_running_loop().time
        run, started = object(), clock()
        self._running_since[run] = started
        for item in batch:
            item.began = started if item.began is None else item.began
        traces = dict.fromkeys(trace for item in batch for trace in item.traces)
        try:
            with batch_span("batch", traces, job=name, images=len(batch)):
                outcomes = await self._run(job, [item.image for item in batch])
                _check(outcomes, len(batch))
        finally:
            del self._running_since[run]
        seconds = clock() - started
        self._metrics.inference_seconds.labels(name).observe(seconds)
        self._rates.observe(job, len(batch), seconds)
        for item, outcome in zip(batch, outcomes, strict=True):
            self._metrics.queue_wait_seconds.observe(started - item.arrived)
            item.succeed(Answered(outcome, started - item.arrived, seconds))


_GENERIC = "Inference failed for this image; the server's log has the cause."
_STOPPED = "The server stopped working on its queue."


def _check(outcomes: Sequence[Any], count: int) -> None:
    """Returns if these are answers, one for each image.

    Raises:
        EngineFailed: they are not.
    """
    if len(outcomes) != count:
        raise EngineFailed(f"expected {count} answers from the engine, got {len(outcomes)}")
    for outcome in outcomes:
        if not isinstance(outcome, Outcome):
            raise EngineFailed(f"expected outcomes from the engine, got {type(outcome).__name__}")


def _shown(error: Exception) -> ServiceError:
    """What a client is told; another error's own words are for the log."""
    return error if isinstance(error, ServiceError) else EngineFailed(_GENERIC)
