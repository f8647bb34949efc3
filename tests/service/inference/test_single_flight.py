import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from eabs.settings import QuasiNewtonSettings
from service.deadline import NO_DEADLINE, Deadline
from service.errors import DeadlinePassed, EngineFailed, QueueFull
from service.inference.batcher import Batcher
from service.inference.single_flight import SingleFlight
from service.jobs import Classify, Floats, Job, Outcome
from service.telemetry.metrics import Metrics

JOB = Classify("model", QuasiNewtonSettings(steps=1))
OTHER = Classify("model", QuasiNewtonSettings(steps=2))


@dataclass(frozen=True)
class Value(Outcome):
    value: float


class Server:
    """A started batcher whose engine counts what it computes, waits at a gate, and fails while it is told to."""

    def __init__(self) -> None:
        self.computed: list[float] = []
        self.gate = asyncio.Event()
        self.fails = False
        self.metrics = Metrics()
        self.batcher = Batcher(self._run, max_queue=4, max_batch_size=1, metrics=self.metrics)
        self.flights = SingleFlight(self.batcher, self.metrics)
        self.batcher.start()

    async def _run(self, _: Job[Any], images: Sequence[Floats]) -> Sequence[Any]:
        self.computed += [float(image[0, 0, 0]) for image in images]
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("broken")
        return [Value(float(image[0, 0, 0])) for image in images]

    async def ask(
        self, *values: float, job: Job[Any] = JOB, deadline: Deadline = NO_DEADLINE, kept: list[str] | None = None
    ) -> list[float]:
        images = {str(value): np.full((1, 2, 2), value, np.float32) for value in values}
        with self.flights.board(job, images, deadline=deadline) as boarded:
            answers = await boarded.answers()
            if kept is not None:
                kept += boarded.unkept()
        return [answers[str(value)].outcome.value for value in values]

    async def asking(self, *values: float, **options: Any) -> asyncio.Task[list[float]]:
        """A request that is under way."""
        task = asyncio.create_task(self.ask(*values, **options))
        for _ in range(3):
            await asyncio.sleep(0)
        return task

    @property
    def shared(self) -> float | None:
        return self.metrics.registry.get_sample_value("eabs_single_flight_shared_total", {"task": "Classify"})


def with_server(test: Callable[[Server], Awaitable[None]]) -> None:
    """Runs a test, and checks that no flight is left behind."""

    async def run() -> None:
        server = Server()
        async with asyncio.timeout(20):
            await test(server)
        server.gate.set()
        await server.batcher.drain()
        assert server.batcher.depth == 0
        assert server.flights._flights == {}

    asyncio.run(run())


def test_many_requests_for_the_same_image_cost_one_computation() -> None:
    async def test(server: Server) -> None:
        requests = [await server.asking(1) for _ in range(20)]
        server.gate.set()
        assert await asyncio.gather(*requests) == [[1]] * 20
        assert server.computed == [1]
        assert server.shared == 19

    with_server(test)


def test_a_request_shares_the_images_that_are_under_way_and_asks_for_the_others() -> None:
    async def test(server: Server) -> None:
        first = await server.asking(1, 2)
        second = await server.asking(3, 2, 1)
        server.gate.set()
        assert (await first, await second) == ([1, 2], [3, 2, 1])
        assert sorted(server.computed) == [1, 2, 3]

    with_server(test)


def test_another_question_about_the_same_image_is_another_computation() -> None:
    async def test(server: Server) -> None:
        requests = [await server.asking(1), await server.asking(1, job=OTHER)]
        server.gate.set()
        await asyncio.gather(*requests)
        assert server.computed == [1, 1]

    with_server(test)


def test_what_is_done_is_computed_again_for_who_comes_later() -> None:
    async def test(server: Server) -> None:
        server.gate.set()
        assert await server.ask(1) == await server.ask(1) == [1]
        assert server.computed == [1, 1]

    with_server(test)


def test_the_computation_goes_on_when_the_one_who_began_it_leaves() -> None:
    async def test(server: Server) -> None:
        busy = await server.asking(0)
        first, second = await server.asking(1), await server.asking(1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        server.gate.set()
        assert await second == [1]
        await busy
        assert server.computed == [0, 1]

    with_server(test)


def test_when_the_last_one_leaves_it_is_withdrawn() -> None:
    async def test(server: Server) -> None:
        busy = await server.asking(0)
        requests = [await server.asking(1) for _ in range(3)]
        assert server.batcher.depth == 1
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        assert server.batcher.depth == 0
        server.gate.set()
        await busy
        assert server.computed == [0]

    with_server(test)


def test_a_failure_reaches_all_who_wait_and_nobody_after_them() -> None:
    async def test(server: Server) -> None:
        server.fails = True
        requests = [await server.asking(1) for _ in range(3)]
        server.gate.set()
        failures = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(failure) for failure in failures] == [EngineFailed] * 3
        server.fails = False
        assert await server.ask(1) == [1]

    with_server(test)


def test_who_comes_between_a_failure_and_its_news_is_not_told_of_it() -> None:
    async def test(server: Server) -> None:
        server.fails = True
        first = await server.asking(1)
        flight = server.flights._flights[JOB, "1"]
        server.gate.set()
        while not flight.pending.future.done():
            await asyncio.sleep(0)
        server.fails = False
        assert await server.ask(1) == [1]
        with pytest.raises(EngineFailed):
            await first

    with_server(test)


def test_a_later_deadline_of_another_request_keeps_the_computation_alive() -> None:
    async def test(server: Server) -> None:
        busy = await server.asking(0)
        hasty = await server.asking(1, deadline=Deadline.after(0))
        patient = await server.asking(1, deadline=Deadline.after(3600))
        server.gate.set()
        assert await patient == [1]
        assert await hasty == [1]
        await busy

    with_server(test)


def test_the_deadline_is_that_of_those_who_still_wait() -> None:
    async def test(server: Server) -> None:
        busy = await server.asking(0)
        hasty = await server.asking(1, deadline=Deadline.after(0))
        patient = await server.asking(1, deadline=Deadline.after(3600))
        patient.cancel()
        await asyncio.gather(patient, return_exceptions=True)
        server.gate.set()
        with pytest.raises(DeadlinePassed):
            await hasty
        await busy
        assert server.computed == [0]

    with_server(test)


def test_a_request_that_finds_no_room_leaves_what_it_would_have_shared_as_it_was() -> None:
    async def test(server: Server) -> None:
        busy = await server.asking(0)
        first = await server.asking(1)
        with pytest.raises(QueueFull):
            await server.ask(1, 2, 3, 4, 5)
        assert server.batcher.depth == 1
        server.gate.set()
        assert await first == [1]
        await busy

    with_server(test)


def test_one_of_those_who_wait_keeps_the_answer() -> None:
    async def test(server: Server) -> None:
        kept: list[str] = []
        first = await server.asking(1, kept=kept)
        others = [await server.asking(1, kept=kept) for _ in range(3)]
        first.cancel()
        server.gate.set()
        await asyncio.gather(*others)
        assert kept == ["1"]

    with_server(test)


def test_who_joins_late_is_not_told_of_a_wait_before_its_own() -> None:
    async def test(server: Server) -> None:
        first = await server.asking(1)
        await asyncio.sleep(0.2)
        image = {"1": np.full((1, 2, 2), 1, np.float32)}
        began = asyncio.get_running_loop().time()
        with server.flights.board(JOB, image, deadline=NO_DEADLINE) as boarded:
            server.gate.set()
            answer = (await boarded.answers())["1"]
            waited_s = asyncio.get_running_loop().time() - began
        await first
        assert answer.queue_s + answer.inference_s <= waited_s

    with_server(test)
