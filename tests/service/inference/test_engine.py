import asyncio
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model_store import BUNDLED, ModelStore
from service.deadline import NO_DEADLINE
from service.errors import OutOfMemory
from service.inference.batcher import Batcher
from service.inference.engine import Engine
from service.inference.probe import answer_probe
from service.jobs import Classifiers, Classify, Job, Outcome
from service.models.reference import ModelReference
from service.models.served_model import resolve_devices
from service.telemetry.metrics import Metrics

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Meet(Job[Any]):
    """Returns only when two batches are worked on at the same time, on which copy of the model each."""

    @property
    def barrier(self) -> threading.Barrier:
        return BARRIER

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Any]:
        self.barrier.wait()
        return [id(classifiers)] * len(images)


BARRIER = threading.Barrier(2, timeout=30)


def engine(*, copies: int, threads: int) -> Engine:
    return Engine(store=ModelStore(BUNDLED), devices=[CPU] * copies, threads=threads, cache_dir=None)


@pytest.fixture(scope="module", autouse=True)
def _quick_preparation() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model_store.preparation_cache._prepare", _few_candidates)
        yield


def _few_candidates(loaded: Any, threads: int) -> Any:
    from eabs.decoding import FoldedDecoders
    from eabs.penalty import penalty_of
    from eabs.preparation import prepare

    return prepare(
        FoldedDecoders.fold(loaded.model.decoders),
        penalty_of(loaded.model, loaded.manifest.beta),
        candidates=16,
        seed=0,
        threads=threads,
    )


@pytest.mark.parametrize(("copies", "threads", "models"), [(1, 2, 1), (2, 1, 2)], ids=["two threads", "two devices"])
def test_places_work_at_the_same_time_on_their_own_copies(copies: int, threads: int, models: int) -> None:
    async def run() -> None:
        tested = engine(copies=copies, threads=threads)
        assert tested.places == 2
        model = await tested.load(ModelReference("mnist", None), warm_batch=1)
        image = [np.zeros((1, 28, 28), np.float32)]
        job = Meet(model.digest)
        found = await asyncio.gather(tested.run(job, image), tested.run(job, image))
        assert len({result[0] for result in found}) == models
        await tested.close()

    asyncio.run(run())


def test_a_place_is_free_again_after_a_batch_that_raised() -> None:
    async def run() -> None:
        tested = engine(copies=1, threads=1)
        model = await tested.load(ModelReference("mnist", None), warm_batch=1)
        job = Classify.by_effort(model.digest, "fast")
        with pytest.raises(ValueError, match="expected"):
            await tested.run(job, [np.zeros((1, 9, 9), np.float32)])
        (answer,) = await tested.run(job, [np.zeros((1, 28, 28), np.float32)])
        assert isinstance(answer, Outcome)
        await tested.close()

    asyncio.run(run())


@dataclass(frozen=True)
class Hungry(Job[Any]):
    """Needs more memory than there is for more than one image; each gets the answer of a fast inference."""

    error: str = "CUDA"

    def run(self, classifiers: Classifiers, images: Tensor) -> Sequence[Any]:
        if len(images) > 1 and self.error == "CUDA":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 PiB.")
        if len(images) > 1:
            torch.empty(1 << 50, dtype=torch.uint8)
        return Classify.by_effort(self.model, "fast").run(classifiers, images)


@pytest.mark.parametrize("error", ["CUDA", "CPU"])
def test_images_that_do_not_fit_together_are_answered_by_halves(error: str) -> None:
    async def run() -> None:
        tested = engine(copies=1, threads=1)
        model = await tested.load(ModelReference("mnist", None), warm_batch=1)
        job = Hungry(model.digest, error)
        images = [np.full((1, 28, 28), value / 4, np.float32) for value in range(4)]
        with pytest.raises(OutOfMemory, match="expected memory for 4 more images"):
            await tested.run(job, images)
        batcher = Batcher(tested.run, max_queue=9, max_batch_size=4, metrics=Metrics())
        batcher.start()
        items = batcher.submit(job, images, deadline=NO_DEADLINE)
        answers = await asyncio.gather(*(item.future for item in items))
        assert all(isinstance(answer.outcome, Outcome) for answer in answers)
        batcher.withdraw(items)
        await batcher.drain()
        await tested.close()

    asyncio.run(run())


def test_a_shortage_of_memory_leaves_no_tensor_behind() -> None:
    kept: list[weakref.ref[Tensor]] = []

    @dataclass(frozen=True)
    class Wasteful(Job[Any]):
        def run(self, _: Classifiers, __: Tensor) -> Sequence[Any]:
            large = torch.zeros(1000)
            kept.append(weakref.ref(large))
            torch.empty(1 << 50, dtype=torch.uint8)
            return [large]

    async def run() -> None:
        tested = engine(copies=1, threads=1)
        model = await tested.load(ModelReference("mnist", None), warm_batch=1)
        with pytest.raises(OutOfMemory):
            await tested.run(Wasteful(model.digest), [np.zeros((1, 28, 28), np.float32)])
        assert [reference() for reference in kept] == [None]
        await tested.close()

    asyncio.run(run())


def test_a_place_that_failed_is_suspect_until_its_model_answers_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def probe_at_a_gate(digest: str, classifiers: Classifiers) -> None:
        assert gate.wait(30)
        answer_probe(digest, classifiers)

    monkeypatch.setattr("service.inference.engine.answer_probe", probe_at_a_gate)

    async def run() -> None:
        tested = engine(copies=1, threads=1)
        model = await tested.load(ModelReference("mnist", None), warm_batch=1)
        assert tested.suspect_because() is None
        with pytest.raises(OutOfMemory):
            await tested.run(Hungry(model.digest), [np.zeros((1, 28, 28), np.float32)] * 2)
        assert "has not answered a probe" in (tested.suspect_because() or "")
        gate.set()
        async with asyncio.timeout(60):
            while tested.suspect_because():
                await asyncio.sleep(0.005)
        await tested.close()

    asyncio.run(run())


def test_the_failure_of_a_model_that_is_gone_makes_no_place_suspect_for_long() -> None:
    async def run() -> None:
        tested = engine(copies=1, threads=1)
        with pytest.raises(KeyError):
            await tested.run(Classify.by_effort("sha256:gone", "fast"), [np.zeros((1, 28, 28), np.float32)])
        async with asyncio.timeout(60):
            while tested.suspect_because():
                await asyncio.sleep(0)
        await tested.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "gpus", "expected"),
    [
        ("cpu", 2, ["cpu"]),
        ("auto", 0, ["cpu"]),
        ("auto", 2, ["cuda:0", "cuda:1"]),
        ("cuda", 2, ["cuda:0", "cuda:1"]),
        ("cuda:1", 2, ["cuda:1"]),
    ],
)
def test_a_setting_names_devices(monkeypatch: pytest.MonkeyPatch, name: str, gpus: int, expected: list[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [str(device) for device in resolve_devices(name)] == expected


@pytest.mark.parametrize(("name", "gpus"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ValueError, match=f"expected one of {gpus} CUDA devices, got {name}"):
        resolve_devices(name)
