"""Where inference happens: one place after another takes a batch, a CPU core or a whole GPU each.

A model is freed when nobody holds its ServedModel any more: the engine itself does not keep it alive.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import torch

from model_store import ModelStore
from service.jobs import Classifiers, Floats, Job
from service.models.reference import ModelReference
from service.models.served_model import ServedModel, load_model, warm_up

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """One batch at a time is worked on here; the models are those of the device, while somebody serves them."""

    device: torch.device
    models: WeakValueDictionary[str, Classifiers] = field(repr=False)


class Engine:
    """Owns the devices, the models on them, and the threads that use them."""

    def __init__(
        self, *, store: ModelStore, devices: Sequence[torch.device], threads: int, cache_dir: Path | None
    ) -> None:
        """Args:
        store: where models come from.
        devices: each holds its own copy of every model. A GPU is one place; the CPU is as many as it has threads.
        threads: of the CPU.
        cache_dir: where what is prepared of a model is kept.
        """
        self._store = store
        self._cache_dir = cache_dir
        self._threads = threads
        self._copies: list[Place] = [Place(device, WeakValueDictionary()) for device in devices]
        self._places = [copy for copy in self._copies for _ in range(threads if copy.device.type == "cpu" else 1)]
        self._free: asyncio.Queue[Place] = asyncio.Queue()
        for place in self._places:
            self._free.put_nowait(place)
        # Each place computes alone: what is spread over cores waits for the slowest (eabs/workers.py).
        self._pool = ThreadPoolExecutor(
            len(self._places), thread_name_prefix="engine", initializer=torch.set_num_threads, initargs=(1,)
        )
        # A model that is loaded while others answer takes no place from them.
        self._loader = ThreadPoolExecutor(
            1, thread_name_prefix="loader", initializer=torch.set_num_threads, initargs=(1,)
        )

    @property
    def places(self) -> int:
        """How many batches can be worked on at the same time."""
        return len(self._places)

    async def load(self, reference: ModelReference, *, warm_batch: int) -> ServedModel:
        """Loads a model to every device and lets it answer once, in batches of 1 and of `warm_batch`.

        Raises:
            ModelStoreError: it is not there, or not what was published.
            RuntimeError: it does not answer, or does not fit the device's memory.
        """
        return await asyncio.get_running_loop().run_in_executor(self._loader, self._load, reference, warm_batch)

    async def run(self, job: Job[Any], images: Sequence[Floats]) -> Sequence[Any]:
        """The job's answers for images (C, H, W), one each, from the first place that is free."""
        place = await self._free.get()
        try:
            return await self._aside(lambda: job.run(place.models[job.model], _stack(images)))
        finally:
            self._free.put_nowait(place)

    async def close(self) -> None:
        """Lets the places finish what they do, and ends their threads."""
        for pool in (self._loader, self._pool):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    def _load(self, reference: ModelReference, warm_batch: int) -> ServedModel:
        models = [self._load_copy(reference, copy, warm_batch) for copy in self._copies]
        return replace(models[0], replicas=tuple(model.classifiers for model in models))

    def _load_copy(self, reference: ModelReference, copy: Place, warm_batch: int) -> ServedModel:
        model = load_model(self._store, reference, device=copy.device, cache_dir=self._cache_dir, threads=self._threads)
        model = replace(model, sample_s=warm_up(model, batch_size=warm_batch))
        copy.models[model.digest] = model.classifiers
        return model

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _stack(images: Sequence[Floats]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images))
