"""Equal questions that are asked at the same time are answered once, whoever asks."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from service.deadline import Deadline
from service.inference.batcher import Batcher
from service.inference.fair_queue import Answered, Pending
from service.inference.waiting import waiting_spans
from service.jobs import Floats, Job, Outcome
from service.telemetry.metrics import Metrics

A = TypeVar("A", bound=Outcome)


@dataclass(eq=False)
class _Flight(Generic[A]):
    """An image under way, and until when each of those who wait for it does."""

    pending: Pending[A]
    waiters: dict[object, Deadline] = field(default_factory=dict)
    kept: bool = False

    @property
    def may_be_joined(self) -> bool:
        """Whether it may still end well; a failure is for those who were there."""
        future = self.pending.future
        return not future.done() or not (future.cancelled() or future.exception())

    def join(self, waiter: object, deadline: Deadline) -> None:
        self.waiters[waiter] = deadline
        self.pending.deadline = max(self.pending.deadline, deadline)
        self.pending.note_caller()

    def leave(self, waiter: object) -> None:
        del self.waiters[waiter]
        if self.waiters:
            self.pending.deadline = max(self.waiters.values())


class Boarded(Generic[A]):
    """One request's share in the flights that answer it."""

    def __init__(self, flights: Mapping[str, _Flight[A]]) -> None:
        self._flights = flights
        self._since = asyncio.get_running_loop().time()

    async def answers(self) -> dict[str, Answered[A]]:
        """The answers by image, when all are there; `queue_s` and `inference_s` of this request's own wait.

        Raises:
            EngineFailed, OutOfMemory, NotReady, DeadlinePassed: the first failure.
        """
        futures = {identity: flight.pending.future for identity, flight in self._flights.items()}
        with waiting_spans([flight.pending for flight in self._flights.values()], since=self._since):
            # To wait, other than to gather, leaves the futures alone when this request is cancelled: others wait, too.
            landed, _ = await asyncio.wait(futures.values(), return_when=asyncio.FIRST_EXCEPTION)
            for future in landed:
                future.result()
        waited_s = asyncio.get_running_loop().time() - self._since
        return {identity: future.result().within(waited_s) for identity, future in futures.items()}

    def unkept(self) -> list[str]:
        """The images whose answers are this request's to keep, because nobody has kept them before."""
        mine = [identity for identity, flight in self._flights.items() if not flight.kept]
        for identity in mine:
            self._flights[identity].kept = True
        return mine


class SingleFlight:
    """Joins requests to what is under way. Belongs to one event loop.

    A flight goes on as long as one request waits for it, until the latest of their deadlines, and is withdrawn from
    the queue when the last one leaves. It can be joined until then, so that nobody computes what is being kept.
    """

    def __init__(self, batcher: Batcher, metrics: Metrics) -> None:
        self._batcher = batcher
        self._metrics = metrics
        self._flights: dict[tuple[Job[Any], str], _Flight[Any]] = {}

    @contextmanager
    def board(self, job: Job[A], images: Mapping[str, Floats], *, deadline: Deadline) -> Iterator[Boarded[A]]:
        """Lets a request wait for images, by their identity, while the block runs.

        Raises:
            NotReady, QueueFull: as `Batcher.submit` does; then none of the images waits.
        """
        flights: dict[str, _Flight[A]] = {}
        for identity in images:
            flight = self._flights.get((job, identity))
            if flight is not None and flight.may_be_joined:
                flights[identity] = flight
        shared = len(flights)
        if new := [identity for identity in images if identity not in flights]:
            started = self._batcher.submit(job, [images[identity] for identity in new], deadline=deadline)
            for identity, pending in zip(new, started, strict=True):
                flights[identity] = self._flights[job, identity] = _Flight(pending)
        self._metrics.single_flight_shared.labels(type(job).__name__).inc(shared)
        waiter = object()
        for flight in flights.values():
            flight.join(waiter, deadline)
        try:
            yield Boarded(flights)
        finally:
            for identity, flight in flights.items():
                flight.leave(waiter)
                if not flight.waiters:
                    self._end((job, identity), flight)

    def _end(self, key: tuple[Job[Any], str], flight: _Flight[Any]) -> None:
        self._batcher.withdraw([flight.pending])
        # After a failure another flight may have taken its place.
        if self._flights.get(key) is flight:
            del self._flights[key]
