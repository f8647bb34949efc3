import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from eabs.settings import QuasiNewtonSettings
from service.deadline import NO_DEADLINE, Deadline
from service.errors import DeadlinePassed, EngineFailed, NotReady, OutOfMemory, QueueFull
from service.inference.batcher import Batcher
from service.inference.fair_queue import Answered
from service.jobs import Classify, Floats, Job, Outcome
from service.middleware.request_id import identified
from service.telemetry.context import current_batch
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


def test_every_image_gets_its_own_answer_in_order() -> None:
    async def test(batcher: Batcher, _: Engine) -> None:
        values = [float(value) for value in range(11)]
        assert outcomes(await answer(batcher, QUICK, images(*values))) == values

    with_batcher(test)


def test_requests_that_wait_share_a_batch() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        tasks = [await busy(batcher, engine)] + [await waiting(batcher, QUICK, value) for value in (1, 2, 3)]
        engine.gate.set()
        await asyncio.gather(*tasks)
        assert engine.batches[1:] == [("quick", [1, 2, 3])]

    with_batcher(test, open_gate=False)


def test_different_jobs_are_never_mixed() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        tasks = [await busy(batcher, engine), await waiting(batcher, QUICK, 1), await waiting(batcher, SLOW, 2)]
        engine.gate.set()
        await asyncio.gather(*tasks)
        assert engine.batches[1:] == [("quick", [1]), ("slow", [2])]

    with_batcher(test, open_gate=False)


def test_images_with_more_starts_make_smaller_batches() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        await answer(batcher, WIDE, images(1, 2, 3))
        assert engine.batches == [("wide", [1, 2]), ("wide", [3])]

    with_batcher(test, max_batch_size=8)


def test_a_request_of_many_images_does_not_hold_up_a_request_of_one() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        many = [float(value) for value in range(10, 20)]
        tasks = [
            await busy(batcher, engine),
            await waiting(batcher, QUICK, *many),
            await waiting(batcher, QUICK, 1),
            await waiting(batcher, SLOW, 2),
        ]
        engine.gate.set()
        await asyncio.gather(*tasks)
        assert engine.batches[1:3] == [("quick", [10, 1, 11, 12]), ("slow", [2])]

    with_batcher(test, open_gate=False)


def test_only_the_guilty_image_of_a_batch_fails() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        tasks = [await busy(batcher, engine)] + [await waiting(batcher, QUICK, value) for value in (1, GUILTY, 3)]
        engine.gate.set()
        _, first, guilty, last = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes(first) + outcomes(last) == [1, 3]
        assert isinstance(guilty, EngineFailed)

    with_batcher(test, open_gate=False)


def test_a_failing_batch_is_halved_until_the_guilty_image_is_alone() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        values = [*range(1, 21), GUILTY, *range(21, 32)]
        tasks = [await busy(batcher, engine)] + [await waiting(batcher, QUICK, value) for value in values]
        engine.gate.set()
        results = (await asyncio.gather(*tasks, return_exceptions=True))[1:]
        assert [type(result) is EngineFailed for result in results] == [value == GUILTY for value in values]
        # One batch of 32, and two halves for each of its log2(32) halvings.
        assert len(engine.batches) == 1 + 1 + 2 * 5

    with_batcher(test, open_gate=False, max_batch_size=32)


def test_what_is_no_longer_wanted_is_left_out_when_a_batch_is_halved() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        requests = [batcher.submit(QUICK, images(value), deadline=NO_DEADLINE) for value in (GUILTY, 1, 2, 3)]
        (guilty,), (gone,), (late,), (stays,) = requests
        await engine.entered.wait()
        batcher.withdraw([gone])
        late.deadline = Deadline.after(0)
        engine.gate.set()
        assert (await stays.future).outcome == Value(3)
        assert engine.batches == [("quick", [GUILTY, 1, 2, 3]), ("quick", [GUILTY]), ("quick", [3])]
        assert isinstance(late.future.exception(), DeadlinePassed)
        assert isinstance(guilty.future.exception(), EngineFailed)

    with_batcher(test, open_gate=False)


def test_a_batch_that_does_not_fit_is_halved_and_the_size_that_fits_is_remembered() -> None:
    metrics = Metrics()

    async def test(batcher: Batcher, engine: Engine) -> None:
        engine.memory = 3
        values = [float(value) for value in range(16)]
        assert outcomes(await answer(batcher, QUICK, images(*values))) == values
        assert [len(batch) for _, batch in engine.batches] == [16, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
        engine.batches.clear()
        assert outcomes(await answer(batcher, QUICK, images(*values))) == values
        assert {len(batch) for _, batch in engine.batches} == {2}

    with_batcher(test, max_batch_size=16, metrics=metrics)
    assert metrics.registry.get_sample_value("eabs_out_of_memory_total", {"job": "Classify"}) == 3


def test_an_image_that_does_not_fit_alone_is_told_to_come_back_and_harms_no_other() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        engine.memory = 0
        with pytest.raises(OutOfMemory) as refused:
            await answer(batcher, QUICK, images(1, 2))
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        engine.memory = 1
        assert outcomes(await answer(batcher, QUICK, images(1, 2))) == [1, 2]

    with_batcher(test)


def test_a_batch_is_not_halved_where_no_image_could_be_answered() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        engine.broken = True
        with pytest.raises(NotReady):
            await answer(batcher, QUICK, images(1, 2, 3, 4))
        assert len(engine.batches) == 1

    with_batcher(test)


def test_the_queue_goes_on_after_a_failure() -> None:
    async def test(batcher: Batcher, _: Engine) -> None:
        with pytest.raises(EngineFailed):
            await answer(batcher, QUICK, images(GUILTY, GUILTY))
        assert outcomes(await answer(batcher, QUICK, images(1))) == [1]

    with_batcher(test)


def test_an_engine_that_answers_too_little_is_found_out() -> None:
    async def test(_: Batcher, __: Engine) -> None:
        async def lose_one(_: Job[Any], batch: Sequence[Floats]) -> Sequence[Any]:
            return [Value(0.0)] * (len(batch) - 1)

        batcher = Batcher(lose_one, max_queue=9, max_batch_size=9, metrics=Metrics())
        batcher.start()
        with pytest.raises(EngineFailed, match="expected 1 answers from the engine, got 0"):
            await answer(batcher, QUICK, images(1, 2))
        await batcher.drain()

    with_batcher(test)


@pytest.mark.parametrize("nonsense", [None, 7.0])
def test_an_answer_that_is_none_fails_its_own_image(nonsense: Any) -> None:
    async def test(_: Batcher, __: Engine) -> None:
        async def sometimes(_: Job[Any], batch: Sequence[Floats]) -> Sequence[Any]:
            return [nonsense if image[0, 0, 0] == GUILTY else Value(1.0) for image in batch]

        batcher = Batcher(sometimes, max_queue=9, max_batch_size=9, metrics=Metrics())
        batcher.start()
        good, bad = await waiting(batcher, QUICK, 1), await waiting(batcher, QUICK, GUILTY)
        assert outcomes(await good) == [1]
        with pytest.raises(EngineFailed, match=f"expected outcomes from the engine, got {type(nonsense).__name__}"):
            await bad
        await batcher.drain()

    with_batcher(test)


def test_a_refusal_counts_what_waits_at_the_rate_that_was_measured() -> None:
    async def test(_: Batcher, __: Engine) -> None:
        gate = asyncio.Event()

        async def run(job: Job[Any], batch: Sequence[Floats]) -> Sequence[Any]:
            await (gate.wait() if job.model == "stuck" else asyncio.sleep(0.5 if job == SLOW else 0))
            return [Value(0.0)] * len(batch)

        batcher = Batcher(run, max_queue=20, max_batch_size=1, metrics=Metrics())
        batcher.start()
        await asyncio.gather(answer(batcher, SLOW, images(1)), answer(batcher, QUICK, images(1)))
        tasks = [await waiting(batcher, Classify("stuck", SLOW.settings), 0)]

        def retry_after() -> int:
            with pytest.raises(QueueFull) as refused:
                batcher.check_room(100)
            return int(refused.value.headers["Retry-After"])

        tasks.append(await waiting(batcher, QUICK, *range(10)))
        after_quick = retry_after()
        tasks.append(await waiting(batcher, SLOW, *range(10)))
        # Ten images of at least half a second each.
        assert 5 <= retry_after() <= 60
        assert after_quick < retry_after()
        for task in tasks:
            task.cancel()
        gate.set()
        await batcher.drain()

    with_batcher(test)


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        tasks = [await busy(batcher, engine), await waiting(batcher, QUICK, 1, 2)]
        with pytest.raises(QueueFull, match="expected at most 3 waiting images, got 2 and 2 more") as refused:
            await answer(batcher, QUICK, images(3, 4))
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert batcher.depth == 2
        engine.gate.set()
        await asyncio.gather(*tasks)

    with_batcher(test, open_gate=False, max_queue=3)


def test_a_cancelled_request_frees_its_places_and_is_never_inferred() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        first, second = await busy(batcher, engine), await waiting(batcher, QUICK, 1, 2, 3)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert batcher.depth == 0
        engine.gate.set()
        await first
        await answer(batcher, QUICK, images(4))
        assert engine.batches == [("slow", [0]), ("quick", [4])]

    with_batcher(test, open_gate=False, max_queue=3)


def test_a_request_cancelled_while_it_is_inferred_disturbs_no_other() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        first = await busy(batcher, engine)
        gone, stays = await waiting(batcher, QUICK, 1), await waiting(batcher, QUICK, 2)
        engine.entered.clear()
        engine.gate.set()
        await engine.entered.wait()
        gone.cancel()
        await first
        assert outcomes(await stays) == [2]

    with_batcher(test, open_gate=False)


def test_a_deadline_withdraws_what_waits() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        first = await busy(batcher, engine)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer(batcher, QUICK, images(1, 2)), 0.01)
        assert batcher.depth == 0
        engine.gate.set()
        await first

    with_batcher(test, open_gate=False)


def test_an_image_whose_deadline_has_passed_is_never_inferred() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        first = await busy(batcher, engine)
        late = asyncio.create_task(answer(batcher, QUICK, images(1), deadline=Deadline.after(0)))
        in_time = asyncio.create_task(answer(batcher, QUICK, images(2), deadline=Deadline.after(3600)))
        await asyncio.sleep(0)
        engine.gate.set()
        await first
        with pytest.raises(DeadlinePassed, match="within 0 s"):
            await late
        assert outcomes(await in_time) == [2]
        assert engine.batches == [("slow", [0]), ("quick", [2])]

    with_batcher(test, open_gate=False)


def test_draining_finishes_what_waits_and_refuses_what_comes() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        tasks = [await busy(batcher, engine), await waiting(batcher, QUICK, 1, 2)]
        drained = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(NotReady):
            await answer(batcher, QUICK, images(3))
        engine.gate.set()
        await drained
        assert outcomes((await asyncio.gather(*tasks))[1]) == [1, 2]
        assert not batcher.alive

    with_batcher(test, open_gate=False)


def test_a_batcher_that_was_not_started_refuses() -> None:
    async def test(_: Batcher, engine: Engine) -> None:
        idle = Batcher(engine.run, max_queue=9, max_batch_size=9, metrics=Metrics())
        with pytest.raises(NotReady):
            await answer(idle, QUICK, images(1))

    with_batcher(test)


def test_a_worker_that_is_killed_leaves_nobody_waiting() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        tasks = [await busy(batcher, engine), await waiting(batcher, QUICK, 1, 2)]
        for worker in batcher._workers:
            worker.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, EngineFailed) for result in results)
        assert not batcher.alive

    with_batcher(test, open_gate=False)


def test_no_exception_is_left_unseen() -> None:
    complaints: list[dict[str, Any]] = []

    async def test(batcher: Batcher, _: Engine) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        for _ in range(3):
            with pytest.raises(EngineFailed):
                await answer(batcher, QUICK, images(GUILTY, 1, GUILTY))
        gc.collect()

    with_batcher(test)
    assert complaints == []


def test_what_waits_and_runs_is_measured() -> None:
    metrics = Metrics()

    async def test(batcher: Batcher, _: Engine) -> None:
        await answer(batcher, QUICK, images(1, 2, 3))

    with_batcher(test, metrics=metrics)
    read = metrics.registry.get_sample_value
    assert read("eabs_batch_size_sum", {"job": "Classify"}) == 3
    assert read("eabs_inference_seconds_count", {"job": "Classify"}) == 1
    assert read("eabs_queue_wait_seconds_count") == 3


def test_idle_places_share_what_waits() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        task = await waiting(batcher, QUICK, 1, 2, 3, 4)
        await engine.entered.wait()
        await asyncio.sleep(0)
        assert engine.batches == [("quick", [1, 2]), ("quick", [3, 4])]
        engine.gate.set()
        assert outcomes(await task) == [1, 2, 3, 4]

    with_batcher(test, open_gate=False, places=2)


def test_a_place_that_is_busy_leaves_the_queue_to_the_others() -> None:
    async def test(batcher: Batcher, engine: Engine) -> None:
        first = await busy(batcher, engine)
        engine.entered.clear()
        second = await waiting(batcher, QUICK, 1)
        async with asyncio.timeout(1):
            await engine.entered.wait()
        third = await waiting(batcher, QUICK, 2)
        await asyncio.sleep(0.01)
        assert [values for _, values in engine.batches] == [[0], [1]]
        engine.gate.set()
        await asyncio.gather(first, second, third)
        assert engine.batches[-1] == ("quick", [2])

    with_batcher(test, open_gate=False, places=2)


def test_a_batch_works_for_the_requests_of_its_images() -> None:
    seen: list[tuple[str, ...]] = []

    async def test(_: Batcher, __: Engine) -> None:
        async def run(_: Job[Any], batch: Sequence[Floats]) -> Sequence[Any]:
            seen.append(current_batch())
            return [Value(0.0)] * len(batch)

        batcher = Batcher(run, max_queue=9, max_batch_size=9, metrics=Metrics())

        async def request(name: str) -> None:
            with identified(name):
                await answer(batcher, QUICK, images(1, 2))

        batcher.start()
        await asyncio.gather(request("a"), request("b"))
        await batcher.drain()

    with_batcher(test)
    assert seen == [("a", "b")]
