import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from service.deadline import Deadline
from service.errors import DeadlinePassed, NotReady, QueueFull
from service.inference.batcher import Batcher
from service.jobs import Classify, Floats, Job
from service.middleware.request_id import identified
from service.telemetry.context import current_batch
from service.telemetry.metrics import Metrics
from tests.service.inference.batching import (
    QUICK,
    SLOW,
    WIDE,
    Engine,
    Value,
    answer,
    busy,
    images,
    outcomes,
    waiting,
    with_batcher,
)


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


def test_what_waits_and_runs_is_measured() -> None:
    metrics = Metrics()

    async def test(batcher: Batcher, _: Engine) -> None:
        await answer(batcher, QUICK, images(1, 2, 3))

    with_batcher(test, metrics=metrics)
    read = metrics.registry.get_sample_value
    assert read("eabs_batch_size_sum", {"task": "Classify"}) == 3
    assert read("eabs_inference_seconds_count", {"task": "Classify"}) == 1
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
