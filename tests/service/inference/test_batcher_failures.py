import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest

from service.deadline import NO_DEADLINE, Deadline
from service.errors import DeadlinePassed, EngineFailed, NotReady, OutOfMemory
from service.inference.batcher import Batcher
from service.jobs import Floats, Job
from service.telemetry.metrics import Metrics
from tests.service.inference.batching import (
    GUILTY,
    QUICK,
    Engine,
    Value,
    answer,
    busy,
    images,
    outcomes,
    waiting,
    with_batcher,
)


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
    assert metrics.registry.get_sample_value("eabs_out_of_memory_total", {"task": "Classify"}) == 3


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
