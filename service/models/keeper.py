"""Keeps in memory what the settings ask for, as the store moves on.

    store: production -> 2     load 2 beside 1 -> verified? warm? -> serve 2; 1 goes with its last request
                                                  otherwise       -> 1 stays; tried again later

A reference to a version stays as it is; one to an alias, or to none, follows the store.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from model_store import ModelStore, ModelStoreError, Resolution, StoreUnreachable
from service.inference.engine import Engine
from service.models.catalogue import Catalogue
from service.models.reference import ModelReference
from service.models.served_model import ServedModel
from service.models.wishes import Wishes
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_RETRY_LIMITS_S = (10.0, 600.0)
_NEWS_S = 1.0  # how soon a worker notices what another was told


@dataclass(frozen=True)
class _Failure:
    """How often a version could not be loaded in a row, and when it may be tried again."""

    count: int
    not_before: float


class Keeper:
    """Loads, swaps and unloads models, one at a time. Belongs to one event loop."""

    def __init__(
        self,
        *,
        store: ModelStore,
        engine: Engine,
        catalogue: Catalogue,
        metrics: Metrics,
        warm_batch: int,
        wishes: Wishes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        store: where models come from.
        engine: what they answer on.
        catalogue: what is kept as the store says.
        metrics: what is told of every load.
        warm_batch: the largest batch that a model answers before it is served.
        wishes: which references are kept.
        clock: in s.
        """
        self._store = store
        self._engine = engine
        self._catalogue = catalogue
        self._metrics = metrics
        self._warm_batch = warm_batch
        self._wishes = wishes
        self._clock = clock
        self._failures: dict[tuple[str, str], _Failure] = {}
        self._complaints: dict[ModelReference, str] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Serves what is wished for.

        Raises:
            ModelStoreError, RuntimeError: the first that cannot be served.
        """
        async with self._turn:
            for reference in self._wishes.references:
                await self._bring(reference)

    async def follow(self, every_s: float) -> None:
        """Asks the store again and again what the references mean, if `every_s` is not 0, and other workers what they
        were told; never returns, never raises."""
        polled = self._clock()
        while True:
            await asyncio.sleep(min(_NEWS_S, every_s or math.inf) if self._wishes.shared else every_s)
            async with self._turn:
                if news := await asyncio.to_thread(self._wishes.has_news):
                    self._failures.clear()
            if news or (every_s and self._clock() >= polled + every_s):
                polled = self._clock()
                await self.refresh()

    async def refresh(self) -> None:
        """Follows wishes and store once. What fails is logged and counted, and leaves what is served as it is."""
        async with self._turn:
            self._retain()
            for reference in self._wishes.references:
                try:
                    await self._bring(reference)
                except (ModelStoreError, RuntimeError, OSError) as error:
                    self._complain(reference, error)
                except Exception:
                    logger.exception("%s: an unexpected error", reference)
                else:
                    self._complaints.pop(reference, None)

    async def load(self, reference: ModelReference) -> None:
        """Serves what the reference means now, and what it will mean.

        Raises:
            ModelStoreError: it is not there, or not what was published.
            RuntimeError: it does not answer, or does not fit the device's memory.
        """
        async with self._turn:
            self._failures = {key: value for key, value in self._failures.items() if key[0] != reference.name}
            await self._bring(reference)
            await asyncio.to_thread(self._wishes.add, reference)

    async def unload(self, name: str) -> bool:
        """Serves nothing of this name any more; requests under way are answered. Whether anything was served."""
        async with self._turn:
            served = any(model.name == name for model in self._catalogue)
            await asyncio.to_thread(self._wishes.drop, name)
            self._retain()
            return served

    def _retain(self) -> None:
        for model in self._catalogue.retain(self._wishes.references):
            self._note(model, served=False)
            logger.info("%s version %s is no longer served", model.name, model.version)

    async def _bring(self, reference: ModelReference) -> None:
        name = reference.name
        before = self._catalogue.get(reference)
        found = await asyncio.to_thread(self._look_up, reference, before)
        version = found.version
        if before is None or before.version != version:
            model = self._catalogue.loaded(name, version) or await self._load(ModelReference(name, version))
            if model is not None:
                self._swap(reference, before, model)
        self._catalogue.point(name, found.aliases)

    def _look_up(self, reference: ModelReference, served: ServedModel | None) -> Resolution:
        """What the store says; while it is away, what it last said, unless something is served, which then stays."""
        try:
            return self._store.look_up(reference.name, reference.version)
        except StoreUnreachable as error:
            last = self._store.last_seen(reference.name, reference.version) if served is None else None
            if last is None:
                raise
            logger.warning("%s: taken for version %s, as the store last said: %s", reference, last.version, error)
            return last

    async def _load(self, reference: ModelReference) -> ServedModel | None:
        """A version in memory; None while it is too early to try again what failed."""
        key = (reference.name, reference.version or "")
        failed = self._failures.get(key, _Failure(0, 0.0))
        if failed.count and self._clock() < failed.not_before:
            return None
        try:
            model = await self._engine.load(reference, warm_batch=self._warm_batch)
        except (ModelStoreError, RuntimeError):
            low, high = _RETRY_LIMITS_S
            self._failures[key] = _Failure(failed.count + 1, self._clock() + min(high, low * 2**failed.count))
            self._metrics.model_loads.labels(reference.name, "failed").inc()
            raise
        self._failures.pop(key, None)
        self._metrics.model_loads.labels(reference.name, "loaded").inc()
        return model

    def _complain(self, reference: ModelReference, error: Exception) -> None:
        """Counts a failure, and logs it unless the last one was the same: a store may be away for hours."""
        self._metrics.refresh_failures.labels(reference.name).inc()
        if self._complaints.get(reference) != str(error):
            self._complaints[reference] = str(error)
            stays = self._catalogue.get(reference)
            serves = "nothing" if stays is None else f"version {stays.version}"
            logger.error("%s: could not be brought up to date, %s stays: %s", reference, serves, error)

    def _swap(self, reference: ModelReference, before: ServedModel | None, model: ServedModel) -> None:
        self._catalogue.put(reference, model)
        if before is not None and self._catalogue.loaded(before.name, before.version) is None:
            self._note(before, served=False)
        self._note(model, served=True)
        instead = "" if before is None else f" instead of version {before.version}"
        logger.info("serving %s version %s (%s)%s", reference, model.version, model.digest, instead)

    def _note(self, model: ServedModel, *, served: bool) -> None:
        device = str(model.classifiers.latent.device)
        self._metrics.model_info.labels(model.name, model.version, model.digest, device).set(float(served))
