"""The device thread: every torch call of the server happens on it, one at a time."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from eabs.cores import physical_cores
from model_store import ModelStore
from service.jobs import Floats, Job
from service.served_model import ServedModel, load_model, resolve_device, warm_up
from service.settings import ModelReference

T = TypeVar("T")


class Engine:
    """Owns the device thread and the models on it."""

    def __init__(self, *, store: ModelStore, device: str, threads: int, cache_dir: Path | None) -> None:
        self._store = store
        self._device_name = device
        self._cache_dir = cache_dir
        self._models: dict[str, ServedModel] = {}
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="device", initializer=torch.set_num_threads, initargs=(threads or physical_cores(),)
        )

    async def load(self, reference: ModelReference, *, warm_batch: int) -> ServedModel:
        """Loads a model and lets it answer once, in batches of 1 and of `warm_batch`.

        Raises:
            ModelStoreError: it is not there, or not what was published.
            ValueError: the device is not there.
        """
        return await self._on_device(lambda: self._load(reference, warm_batch))

    async def run(self, job: Job[Any], images: Sequence[Floats]) -> Sequence[Any]:
        """The job's answers for images (C, H, W), one each."""
        return await self._on_device(lambda: job.run(self._models[job.model].inference, _stack(images)))

    async def close(self) -> None:
        """Lets the device thread finish what it does, and ends it."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    def _load(self, reference: ModelReference, warm_batch: int) -> ServedModel:
        device = resolve_device(self._device_name)
        model = load_model(self._store, reference, device=device, cache_dir=self._cache_dir)
        warm_up(model, batch_size=warm_batch)
        self._models[model.digest] = model
        return model

    async def _on_device(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _stack(images: Sequence[Floats]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images))
