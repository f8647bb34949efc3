"""Where inference happens: one place after another takes a batch, a CPU core or a whole GPU each.

A model is freed when nobody holds its ServedModel any more: the engine itself does not keep it alive.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import torch

from model_store import ModelStore
from service.errors import OutOfMemory
from service.inference.memory import free_unused, is_out_of_memory
from service.inference.places import Place, Places
from service.inference.probe import answer_probe
from service.jobs import Floats, Job
from service.models.reference import ModelReference
from service.models.served_model import ServedModel, load_model, warm_up
from service.telemetry.context import run_in

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = 5

T = TypeVar("T")


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
        places = [
            Place(copy.device, copy.models)
            for copy in self._copies
            for _ in range(threads if copy.device.type == "cpu" else 1)
        ]
        self._places = Places(places, self._probe)
        # Each place computes alone: what is spread over cores waits for the slowest (eabs/workers.py).
        self._pool = ThreadPoolExecutor(
            len(places), thread_name_prefix="engine", initializer=torch.set_num_threads, initargs=(1,)
        )
        # A model that is loaded while others answer takes no place from them.
        self._loader = ThreadPoolExecutor(
            1, thread_name_prefix="loader", initializer=torch.set_num_threads, initargs=(1,)
        )

    @property
    def places(self) -> int:
        """How many batches can be worked on at the same time."""
        return len(self._places)

    @property
    def suspects(self) -> int:
        """How many of the places failed and have not answered a probe since."""
        return self._places.suspects

    async def load(self, reference: ModelReference, *, warm_batch: int) -> ServedModel:
        """Loads a model to every device and lets it answer once, in batches of 1 and of `warm_batch`.

        Raises:
            ModelStoreError: it is not there, or not what was published.
            RuntimeError: it does not answer, or does not fit the device's memory.
        """
        return await run_in(self._loader, lambda: self._load(reference, warm_batch))

    async def run(self, job: Job[Any], images: Sequence[Floats]) -> Sequence[Any]:
        """The job's answers for images (C, H, W), one each, from the first place that is free.

        Raises:
            OutOfMemory: the images do not fit together.
            NotReady: no place answers any more.
            Exception: whatever the job raised.
        """
        place = await self._places.lend()
        try:
            outcomes = await self._aside(partial(_answer, job, place, images))
        except Exception:
            self._places.give_back_failed(place, job.model)
            raise
        except asyncio.CancelledError:
            self._places.give_back(place)
            raise
        self._places.give_back(place)
        return outcomes

    def suspect_because(self) -> str | None:
        """Why the engine may be unable to answer; None where nothing speaks against it."""
        place = self._places.suspect
        return None if place is None else f"The engine failed on {place.device} and has not answered a probe since."

    async def close(self) -> None:
        """Lets the places finish what they do, and ends their threads."""
        await self._places.close()
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

    async def _probe(self, place: Place, digest: str) -> None:
        # A model that has been taken out of service needs no probe.
        if classifiers := place.models.get(digest):
            await self._aside(partial(answer_probe, digest, classifiers))

    async def _aside(self, work: Callable[[], T]) -> T:
        return await run_in(self._pool, work)


def _answer(job: Job[Any], place: Place, images: Sequence[Floats]) -> Sequence[Any]:
    try:
        return job.run(place.models[job.model], torch.from_numpy(np.stack(images)))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        logger.warning("no memory on %s for %d images: %s", place.device, len(images), str(error))
    # Not before here, where the error is gone: its traceback holds the tensors of the batch.
    free_unused(place.device)
    raise OutOfMemory(f"expected memory for {len(images)} more images, got none", retry_after=_RETRY_AFTER_S)
