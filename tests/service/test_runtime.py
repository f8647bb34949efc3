import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from eabs.settings import EFFORTS
from service.errors import NotReady
from service.images.served_image import ServedImage, identity_of
from service.jobs import Classify
from service.runtime import Runtime
from service.settings import Settings

PIXELS = np.zeros((1, 28, 28), np.float32)
IMAGE = ServedImage(PIXELS, identity_of(PIXELS))


def with_runtime(settings: Settings, test: Callable[[Runtime], Awaitable[None]]) -> None:
    """Runs a test with a runtime whose start is over, and stops it."""

    async def run() -> None:
        runtime = Runtime(settings)
        await runtime.start()
        try:
            await test(runtime)
        finally:
            await runtime.stop()

    asyncio.run(run())


def test_an_engine_that_does_not_answer_is_not_ready_until_it_does(settings: Settings) -> None:
    async def test(runtime: Runtime) -> None:
        assert runtime.unready_because() is None
        job = Classify(runtime.model(None, None).digest, EFFORTS["standard"])
        working = asyncio.create_task(runtime.solve(job, [IMAGE]))
        while runtime.unready_because() is None:
            await asyncio.sleep(0)
        assert "has not answered" in (runtime.unready_because() or "")
        await working
        assert runtime.unready_because() is None

    with_runtime(settings.model_copy(update={"models": "mnist", "stall_s": 1e-9}), test)


def test_models_that_cannot_be_loaded_leave_a_server_that_says_so_and_takes_no_work(settings: Settings) -> None:
    async def test(runtime: Runtime) -> None:
        assert runtime.state == "failed"
        assert "could not be loaded" in (runtime.unready_because() or "")
        with pytest.raises(NotReady):
            runtime.model(None, None)

    with_runtime(settings.model_copy(update={"models": "nope"}), test)
