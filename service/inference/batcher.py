"""Dynamic batching: images that wait are inferred together where their jobs are equal.

A place that is free takes what waits, at once: a batch grows while all places are busy, and nobody waits for company.
The queue is bounded in images. Jobs take turns, and within a job requests take turns, so that a request of many
images does not hold up a request of one. Nothing here counts up and down: what waits is what the queue holds.
"""

import asyncio
import itertools
import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from service.deadline import NO_DEADLINE, Deadline
from service.errors import EngineFailed, NotReady, QueueFull, ServiceError
from service.jobs import Floats, Job, Outcome
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")
A = TypeVar("A", bound=Outcome)

Run = Callable[[Job[Any], Sequence[Floats]], Awaitable[Sequence[Any]]]
"""Answers a job for images (C, H, W), one each."""

_RETRY_LIMITS_S = (1, 60)
_SMOOTHING = 0.2


@dataclass(frozen=True)
class Answered(Generic[T]):
    """An answer, and how long its image waited and was worked on, in seconds."""

    outcome: T
    queue_s: float
    inference_s: float


@dataclass(eq=False)
class _Item:
    job: Job[Any]
    ticket: int
    image: Floats
    deadline: Deadline
    arrived: float
    future: asyncio.Future[Answered[Any]] = field(repr=False)


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
        self._max_batch_size = max_batch_size
        self._metrics = metrics
        self._queues: OrderedDict[Job[Any], OrderedDict[int, dict[_Item, None]]] = OrderedDict()
        self._tickets = itertools.count()
        self._arrived = asyncio.Event()
        self._closing = False
        self._workers: list[asyncio.Task[None]] = []
        self._running_since: dict[int, float] = {}
        self._seconds_per_image = 0.0

    @property
    def depth(self) -> int:
        """Images that wait."""
        return sum(len(items) for requests in self._queues.values() for items in requests.values())

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
        waiting = self.depth
        if waiting + count > self._max_queue:
            low, high = _RETRY_LIMITS_S
            retry_after = min(high, max(low, math.ceil(waiting * self._seconds_per_image / self._places)))
            detail = f"expected at most {self._max_queue} waiting images, got {waiting} and {count} more"
            raise QueueFull(detail, retry_after=retry_after)

    async def answer(
        self, job: Job[A], images: Sequence[Floats], *, deadline: Deadline = NO_DEADLINE
    ) -> list[Answered[A]]:
        """The job's answer for every image; all are admitted, or none. Cancelling withdraws those that wait.

        Raises:
            NotReady, QueueFull: as `check_room` does.
            EngineFailed: the engine raised for one of these images alone.
            DeadlinePassed: before one of these images was begun.
        """
        self.check_room(len(images))
        loop, ticket = asyncio.get_running_loop(), next(self._tickets)
        items = [_Item(job, ticket, image, deadline, loop.time(), loop.create_future()) for image in images]
        self._queues.setdefault(job, OrderedDict())[ticket] = dict.fromkeys(items)
        self._arrived.set()
        try:
            answers: list[Answered[A]] = await asyncio.gather(*(item.future for item in items))
            return answers
        finally:
            self._withdraw(items)

    def _limit(self, job: Job[Any]) -> int:
        """Images of a job that go together."""
        return max(1, self._max_batch_size // job.lanes)

    def _withdraw(self, items: Iterable[_Item]) -> None:
        for item in items:
            item.future.cancel()
            requests = self._queues.get(item.job, OrderedDict())
            waiting = requests.get(item.ticket, {})
            waiting.pop(item, None)
            if not waiting:
                requests.pop(item.ticket, None)
            if not requests:
                self._queues.pop(item.job, None)

    async def _work(self) -> None:
        try:
            while True:
                while not self._queues:
                    if self._closing:
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
                job = next(iter(self._queues))
                batch = self._take(job)
                if batch:
                    await self._serve(job, batch)
        finally:
            if sum(not worker.done() for worker in self._workers) == 1:
                # The last worker: nobody is left to answer.
                for requests in self._queues.values():
                    for item in itertools.chain.from_iterable(requests.values()):
                        _fail(item, EngineFailed("The server stopped working on its queue."))

    def _take(self, job: Job[Any]) -> list[_Item]:
        """The next batch, one image of each request in turn; the job goes to the end of the line.

        Idle places share what waits: two batches of two are done sooner than one of four.
        """
        idle = self._places - len(self._running_since)
        limit = min(self._limit(job), math.ceil(self.depth / max(1, idle)))
        requests = self._queues.pop(job, OrderedDict())
        batch: list[_Item] = []
        while requests and len(batch) < limit:
            ticket, items = requests.popitem(last=False)
            item = next(iter(items))
            del items[item]
            if items:
                requests[ticket] = items
            if item.deadline.passed:
                _fail(item, item.deadline.error())
            elif not item.future.done():
                batch.append(item)
        if requests:
            self._queues[job] = requests
        return batch

    async def _serve(self, job: Job[Any], batch: Sequence[_Item]) -> None:
        started = asyncio.get_running_loop().time()
        try:
            outcomes = await self._infer(job, batch)
        except Exception as error:
            self._metrics.batch_failures.labels(type(job).__name__).inc()
            if len(batch) == 1:
                logger.error("inference failed", exc_info=error)
                _fail(batch[0], error if isinstance(error, ServiceError) else EngineFailed(_GENERIC))
                return
            logger.warning("a batch of %d failed and is retried one by one: %r", len(batch), error)
            for item in batch:
                if not item.future.done():
                    await self._serve(job, [item])
        else:
            inference_s = asyncio.get_running_loop().time() - started
            for item, outcome in zip(batch, outcomes, strict=True):
                self._metrics.queue_wait_seconds.observe(started - item.arrived)
                if not item.future.done():
                    item.future.set_result(Answered(outcome, started - item.arrived, inference_s))
        finally:
            for item in batch:
                _fail(item, EngineFailed("The server stopped working on its queue."))

    async def _infer(self, job: Job[Any], batch: Sequence[_Item]) -> Sequence[Any]:
        name = type(job).__name__
        self._metrics.batch_size.labels(name).observe(len(batch))
        started = asyncio.get_running_loop().time()
        self._running_since[id(batch)] = started
        try:
            outcomes = await self._run(job, [item.image for item in batch])
        finally:
            del self._running_since[id(batch)]
        if len(outcomes) != len(batch):
            raise EngineFailed(f"expected {len(batch)} answers from the engine, got {len(outcomes)}")
        seconds = asyncio.get_running_loop().time() - started
        self._metrics.inference_seconds.labels(name).observe(seconds)
        self._seconds_per_image += _SMOOTHING * (seconds / len(batch) - self._seconds_per_image)
        return outcomes


_GENERIC = "Inference failed for this image; the server's log has the cause."


def _fail(item: _Item, error: Exception) -> None:
    if not item.future.done():
        item.future.set_exception(error)
