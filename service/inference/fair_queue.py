"""What waits for the engine: jobs take turns, and within a job requests do, so that a request of many images does not
hold up a request of one."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from service.deadline import Deadline
from service.jobs import Floats, Job, Outcome
from service.middleware.request_id import current_request_id
from service.telemetry.tracing import Trace, current_trace

A = TypeVar("A", bound=Outcome)


@dataclass(frozen=True)
class Answered(Generic[A]):
    """An answer, and how long its image waited and was worked on, in seconds."""

    outcome: A
    queue_s: float
    inference_s: float

    def within(self, seconds: float) -> "Answered[A]":
        """The same for one who has waited no longer than this: who came late did not wait from the beginning."""
        inference_s = min(self.inference_s, seconds)
        return replace(self, inference_s=inference_s, queue_s=min(self.queue_s, seconds - inference_s))


@dataclass(eq=False)
class Pending(Generic[A]):
    """An image that waits or is worked on. `deadline` is that of whoever waits longest for it, and may change;
    `began` is when a batch with it was begun first. `request_ids` and `traces` are those of all who have waited for
    it."""

    job: Job[Any]
    ticket: int
    image: Floats
    deadline: Deadline
    arrived: float
    future: asyncio.Future[Answered[A]] = field(repr=False)
    began: float | None = None
    request_ids: list[str] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.note_caller()

    def note_caller(self) -> None:
        """Notes whose request this code runs for: it waits for the image, too."""
        self.request_ids.append(current_request_id())
        if (trace := current_trace()) is not None:
            self.traces.append(trace)

    def still_wanted(self) -> bool:
        """Whether anybody still waits, and in time; who waits for one that is late is told so now."""
        if self.deadline.passed:
            self.fail(self.deadline.error())
        return not self.future.done()

    def succeed(self, answer: Answered[A]) -> None:
        """Gives the answer to who waits, if anybody still does."""
        if not self.future.done():
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Gives the error to who waits, if anybody still does."""
        if not self.future.done():
            self.future.set_exception(error)

    def abandon(self) -> None:
        """Nobody waits any more; an error that came is known to have been seen."""
        if not self.future.cancel() and not self.future.cancelled():
            self.future.exception()


class FairQueue:
    """Images in the order in which they will be worked on. Belongs to one event loop."""

    def __init__(self) -> None:
        self._lines: OrderedDict[Job[Any], OrderedDict[int, dict[Pending[Any], None]]] = OrderedDict()
        # The same images once more, so that to count them is not to walk over them.
        self._waiting: set[Pending[Any]] = set()
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Pending[Any]]:
        return iter(self._waiting)

    def counts(self) -> Iterator[tuple[Job[Any], int]]:
        """The jobs whose images wait, each with their number."""
        return ((job, sum(map(len, requests.values()))) for job, requests in self._lines.items())

    def add(self, job: Job[A], images: Sequence[Floats], *, deadline: Deadline) -> list[Pending[A]]:
        """Puts the images of one request at the end of the line."""
        if not images:
            return []
        loop, ticket = asyncio.get_running_loop(), next(self._tickets)
        items: list[Pending[A]] = [
            Pending(job, ticket, image, deadline, loop.time(), loop.create_future()) for image in images
        ]
        self._lines.setdefault(job, OrderedDict())[ticket] = dict.fromkeys(items)
        self._waiting.update(items)
        return items

    def withdraw(self, items: Iterable[Pending[Any]]) -> None:
        """Takes out those that still wait, and abandons all."""
        for item in items:
            item.abandon()
            if item not in self._waiting:
                continue
            self._waiting.remove(item)
            requests = self._lines[item.job]
            del requests[item.ticket][item]
            if not requests[item.ticket]:
                del requests[item.ticket]
            if not requests:
                del self._lines[item.job]

    def next_job(self) -> Job[Any]:
        """The job whose turn it is; something must be waiting."""
        return next(iter(self._lines))

    def take(self, job: Job[Any], most: int) -> list[Pending[Any]]:
        """Up to so many images of a job that are still wanted, one of each request in turn; the job goes to the end
        of the line. Those that are late or abandoned are left out, and are gone."""
        requests = self._lines.pop(job, OrderedDict())
        taken: list[Pending[Any]] = []
        while requests and len(taken) < most:
            ticket, items = requests.popitem(last=False)
            item = next(iter(items))
            del items[item]
            self._waiting.remove(item)
            if items:
                requests[ticket] = items
            if item.still_wanted():
                taken.append(item)
        if requests:
            self._lines[job] = requests
        return taken
