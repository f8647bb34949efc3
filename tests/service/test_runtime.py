import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from eabs.settings import EFFORTS
from service.errors import NotReady, OutOfMemory
from service.images.served_image import ServedImage, identity_of
from service.inference.probe import answer_probe
from service.jobs import Classifiers, Classify, Job
from service.runtime import Runtime
from service.settings import Settings
from tests.service.started_runtime import with_runtime

PIXELS = np.zeros((1, 28, 28), np.float32)
IMAGE = ServedImage(PIXELS, identity_of(PIXELS))


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


@dataclass(frozen=True)
class Failing(Job[Any]):
    """Fails on the device."""

    def run(self, _: Classifiers, __: Tensor) -> Sequence[Any]:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 PiB.")


def suspects(runtime: Runtime) -> float | None:
    runtime.metrics.refresh()
    return runtime.metrics.registry.get_sample_value("eabs_places_suspect")


def test_after_a_failure_on_the_device_it_is_not_ready_until_the_model_answers_a_probe(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = threading.Event()

    def probe(digest: str, classifiers: Classifiers) -> None:
        if not well.is_set():
            raise RuntimeError("the device has fallen off the bus")
        answer_probe(digest, classifiers)

    monkeypatch.setattr("service.inference.engine.answer_probe", probe)

    async def test(runtime: Runtime) -> None:
        model = runtime.model(None, None)
        with pytest.raises(OutOfMemory):
            await runtime.solve(Failing(model.digest), [IMAGE])
        assert "has not answered a probe" in (runtime.unready_because() or "")
        assert suspects(runtime) == 1
        job = Classify(model.digest, EFFORTS["fast"])
        with pytest.raises(NotReady):
            await runtime.solve(job, [IMAGE])
        well.set()
        async with asyncio.timeout(60):
            while runtime.unready_because() is not None:
                await asyncio.sleep(0.01)
        assert suspects(runtime) == 0
        (answer,) = await runtime.solve(job, [IMAGE])
        assert answer.outcome.scores.shape == (10,)

    with_runtime(settings.model_copy(update={"models": "mnist"}), test)


def test_models_that_cannot_be_loaded_leave_a_server_that_says_so_and_takes_no_work(settings: Settings) -> None:
    async def test(runtime: Runtime) -> None:
        assert runtime.state == "failed"
        assert "could not be loaded" in (runtime.unready_because() or "")
        with pytest.raises(NotReady):
            runtime.model(None, None)

    with_runtime(settings.model_copy(update={"models": "nope"}), test)
