import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model_store import BUNDLED, ModelStore
from service.inference.engine import Engine
from service.jobs import Classifiers, Classify, Job, Outcome
from service.models.reference import ModelReference
from service.models.served_model import resolve_devices

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
    from eabs.penalty import FoldedDiscriminator
    from eabs.preparation import prepare

    return prepare(
        FoldedDecoders.fold(loaded.model.decoders),
        FoldedDiscriminator(loaded.model.discriminator, loaded.manifest.beta),
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
