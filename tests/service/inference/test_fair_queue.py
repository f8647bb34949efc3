import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eabs.settings import QuasiNewtonSettings
from service.deadline import NO_DEADLINE, Deadline
from service.errors import DeadlinePassed
from service.inference.fair_queue import Answered, FairQueue, Pending
from service.jobs import Classify, Job

FIRST: Job[Any] = Classify("first", QuasiNewtonSettings(steps=1))
SECOND: Job[Any] = Classify("second", QuasiNewtonSettings(steps=1))


def add(queue: FairQueue, job: Job[Any], *values: float, deadline: Deadline = NO_DEADLINE) -> list[Pending[Any]]:
    """Adds one request whose images have these values."""
    return queue.add(job, [np.full((1, 1, 1), value, np.float32) for value in values], deadline=deadline)


def take(queue: FairQueue, most: int) -> list[float]:
    """The values of the next batch."""
    return [float(item.image[0, 0, 0]) for item in queue.take(queue.next_job(), most)]


def with_queue(test: Callable[[FairQueue], None]) -> None:
    """Runs a test on an event loop, and checks that the queue is empty without a trace at its end."""

    async def run() -> None:
        queue = FairQueue()
        test(queue)
        assert len(queue) == 0
        assert list(queue.counts()) == []

    asyncio.run(run())


def test_jobs_take_turns_and_within_a_job_requests_do() -> None:
    def test(queue: FairQueue) -> None:
        add(queue, FIRST, 1, 2, 3)
        add(queue, FIRST, 10)
        add(queue, SECOND, 100)
        assert [take(queue, 2), take(queue, 2), take(queue, 2)] == [[1, 10], [100], [2, 3]]

    with_queue(test)


def test_what_waits_is_counted_by_job() -> None:
    def test(queue: FairQueue) -> None:
        items = add(queue, FIRST, 1, 2) + add(queue, FIRST, 3) + add(queue, SECOND, 4)
        assert len(queue) == 4
        assert dict(queue.counts()) == {FIRST: 3, SECOND: 1}
        take(queue, 1)
        assert dict(queue.counts()) == {FIRST: 2, SECOND: 1}
        queue.withdraw(items)

    with_queue(test)


def test_what_is_withdrawn_is_gone_whether_it_was_taken_or_not_and_twice_does_no_harm() -> None:
    def test(queue: FairQueue) -> None:
        items = add(queue, FIRST, 1, 2, 3)
        assert take(queue, 1) == [1]
        queue.withdraw(items)
        queue.withdraw(items)
        assert all(item.future.cancelled() for item in items)

    with_queue(test)


def test_a_request_without_images_leaves_no_trace() -> None:
    def test(queue: FairQueue) -> None:
        assert add(queue, FIRST) == []

    with_queue(test)


def test_what_is_late_is_told_so_and_takes_nobodys_room() -> None:
    def test(queue: FairQueue) -> None:
        (late,) = add(queue, FIRST, 1, deadline=Deadline.after(0))
        add(queue, FIRST, 2, 3)
        assert take(queue, 2) == [2, 3]
        with pytest.raises(DeadlinePassed):
            late.future.result()

    with_queue(test)


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    def test(queue: FairQueue) -> None:
        (item,) = add(queue, FIRST, 1)
        queue.withdraw([item])
        item.succeed(Answered(outcome=object(), queue_s=0.0, inference_s=0.0))  # type: ignore[type-var]
        item.fail(RuntimeError("late"))
        assert item.future.cancelled()

    with_queue(test)


def test_who_waited_less_than_the_image_is_told_of_its_own_wait() -> None:
    answer: Answered[Any] = Answered(outcome=None, queue_s=3.0, inference_s=2.0)
    assert answer.within(9.0) == answer
    assert (answer.within(4.0).queue_s, answer.within(4.0).inference_s) == (2.0, 2.0)
    assert (answer.within(1.0).queue_s, answer.within(1.0).inference_s) == (0.0, 1.0)
