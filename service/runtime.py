"""One server's life: its models, its queue, its cache, and whether it takes work."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, TypeVar

from eabs.cores import physical_cores
from model_store import ModelStore, ModelStoreError
from service.cache.answer_cache import AnswerCache
from service.cache.shared import SharedCache, open_shared_cache
from service.cache.values import Dimensions
from service.deadline import NO_DEADLINE, Deadline
from service.errors import NotReady
from service.images.body import BodyBudget, split_body
from service.images.json_body import Pixels
from service.images.served_image import ServedImage, prepare_image
from service.inference.batcher import Batcher
from service.inference.engine import Engine
from service.inference.progress import counting_progress
from service.inference.solver import Solved, Solver
from service.jobs import Job, Outcome
from service.models.catalogue import Catalogue
from service.models.keeper import Keeper
from service.models.served_model import ServedModel, resolve_devices
from service.models.wishes import Wishes
from service.settings import Settings
from service.telemetry.context import run_in
from service.telemetry.device_memory import watch_device_memory
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

State = Literal["starting", "ready", "draining", "failed"]
Gate = Callable[[], str | None]
_BATCH_SIZES = {"cpu": 4, "cuda": 1024}

T = TypeVar("T")
A = TypeVar("A", bound=Outcome)


class Runtime:
    """What the routes work with. Belongs to one event loop, from `start` to `stop`."""

    def __init__(self, settings: Settings, *, gate: Gate = lambda: None, wishes: Wishes | None = None) -> None:
        """Args:
        settings: of this server.
        gate: why /readyz says no although this process is ready; None where it says yes.
        wishes: what to serve, where other workers share it; by default what the settings say.
        """
        self.settings = settings
        self._gate = gate
        self.metrics = Metrics()
        self.store = ModelStore(settings.store, cache=settings.cache_dir)
        self.catalogue = Catalogue()
        self.cache = AnswerCache(
            max_bytes=settings.cache_bytes,
            ttl_s=settings.cache_ttl_s,
            metrics=self.metrics,
            shared=self._shared_cache(settings),
        )
        self.body_budget = BodyBudget(settings.max_buffered_bytes)
        self.state: State = "starting"
        devices = resolve_devices(settings.device)
        self._engine = Engine(
            store=self.store,
            devices=devices,
            threads=settings.threads or physical_cores(),
            cache_dir=settings.cache_dir,
        )
        self._max_batch_size = settings.max_batch_size or _BATCH_SIZES[devices[0].type]
        self._batcher = Batcher(
            counting_progress(self._engine.run, self.metrics),
            places=self._engine.places,
            max_queue=settings.max_queue,
            max_batch_size=self._max_batch_size,
            metrics=self.metrics,
        )
        wishes = wishes or Wishes(settings.references)
        self._follows = bool(settings.poll_s) or wishes.shared
        self.keeper = Keeper(
            store=self.store,
            engine=self._engine,
            catalogue=self.catalogue,
            metrics=self.metrics,
            warm_batch=self._max_batch_size,
            wishes=wishes,
        )
        self._following: asyncio.Task[None] | None = None
        self._solver = Solver(cache=self.cache, batcher=self._batcher, metrics=self.metrics)
        self._decoders = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")
        self.metrics.watch(self.metrics.queue_depth, lambda: self._batcher.depth)
        self.metrics.queue_limit.set(settings.max_queue)
        self.metrics.places.set(self._engine.places)
        self.metrics.watch(self.metrics.places_suspect, lambda: self._engine.suspects)
        self.metrics.watch(self.metrics.cache_bytes, lambda: self.cache.nbytes)
        self.metrics.watch(self.metrics.ready, lambda: float(self.unready_because() is None))
        watch_device_memory(self.metrics, devices)

    async def start(self) -> None:
        """Loads and warms the models, then takes work. A failure is logged and leaves the state `failed`."""
        self.cache.start()
        try:
            await self.keeper.start()
        except (ModelStoreError, OSError) as error:
            self.state = "failed"
            logger.critical("the models could not be loaded: %s", error)
            return
        except Exception:
            self.state = "failed"
            logger.critical("the models could not be loaded", exc_info=True)
            return
        self._batcher.start()
        if self._follows:
            self._following = asyncio.create_task(self.keeper.follow(self.settings.poll_s), name="follow")
        if self.state == "starting":
            self.state = "ready"

    @property
    def places(self) -> int:
        """How many batches can be worked on at the same time."""
        return self._engine.places

    @property
    def batch_size(self) -> int:
        """How many images, times the starts of each, one batch has at most."""
        return self._max_batch_size

    def announce_drain(self) -> None:
        """Makes /readyz say no. Work is still taken, until `stop`: whoever balances the load must notice first."""
        self.state = "draining"

    async def stop(self) -> None:
        """Finishes the accepted work and ends the threads."""
        self.announce_drain()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._batcher.drain()
        await self._engine.close()
        await self.cache.close()
        await asyncio.to_thread(self._decoders.shutdown, wait=True, cancel_futures=True)

    def unready_because(self) -> str | None:
        """Why no work should be sent here; None where it should."""
        if self.state != "ready":
            return {
                "starting": "The models are loading.",
                "draining": "The server is about to end.",
                "failed": "The models could not be loaded; the server's log has the cause.",
            }[self.state]
        if not any(self.catalogue):
            return "No model is loaded."
        if not self._batcher.alive:
            return "The engine has ended."
        if self._batcher.running_s > self.settings.stall_s:
            return f"The engine has not answered for {self._batcher.running_s:.0f} s."
        return self._engine.suspect_because() or self._gate()

    def loaded(self, name: str | None, reference: str | None) -> ServedModel:
        """The model that a request asks about.

        Raises:
            NotReady: the models are not there yet.
            NotFound: no such model or version is loaded.
        """
        if self.state in ("starting", "failed"):
            raise NotReady(self.unready_because() or "", retry_after=5)
        return self.catalogue.find(name, reference)

    def model(self, name: str | None, reference: str | None) -> ServedModel:
        """The model that a request gives work to, if there is room for it.

        Raises:
            NotReady, QueueFull: no work can be taken now.
            NotFound: no such model or version is loaded.
        """
        model = self.loaded(name, reference)
        self._batcher.check_room()
        return model

    async def read_images(self, body: bytes, content_type: str, model: ServedModel) -> list[ServedImage]:
        """The images of a body, decoded off the event loop.

        Raises:
            Malformed, Unsupported, Invalid, TooLarge: as `split_body` and `prepare_image` do.
        """
        sources = await self.aside(partial(self._split, body, content_type, model))
        return await self.read_sources(sources, model)

    async def read_sources(self, sources: Sequence[bytes | ServedImage], model: ServedModel) -> list[ServedImage]:
        """Images as they were sent: files' bytes, decoded off the event loop, or what is an image already.

        Raises:
            Malformed, Unsupported, TooLarge: as `prepare_image` does.
        """
        return await _together(self._prepare(*pair, model) for pair in zip(sources, _names_of(sources), strict=True))

    async def solve(
        self, job: Job[A], images: Sequence[ServedImage], *, deadline: Deadline = NO_DEADLINE
    ) -> list[Solved[A]]:
        """The job's answers for the images, from the cache or the engine; equal images are worked on once.

        Raises:
            NotReady, QueueFull, EngineFailed, OutOfMemory, DeadlinePassed: as `Solver.solve` does.
        """
        return await self._solver.solve(job, images, deadline=deadline)

    async def aside(self, work: Callable[[], T]) -> T:
        """Does blocking work in the small thread pool for images, whose size bounds how many are decoded at once."""
        return await run_in(self._decoders, work)

    def _shared_cache(self, settings: Settings) -> SharedCache | None:
        if settings.redis_url is None:
            return None
        return open_shared_cache(
            settings.redis_url.get_secret_value(),
            timeout_s=settings.redis_timeout_ms / 1000,
            ttl_s=settings.cache_ttl_s,
            dimensions=self._dimensions,
            metrics=self.metrics,
        )

    def _dimensions(self, digest: str) -> Dimensions | None:
        for model in self.catalogue:
            if model.digest == digest:
                return Dimensions(len(model.labels), model.shape)
        return None

    def _split(self, body: bytes, content_type: str, model: ServedModel) -> list[bytes | ServedImage]:
        """Files' bytes, still to be decoded, and images of numbers: those are read at once, because a document takes
        many times the memory of its body and of its image. No more of them exist than there are threads."""
        sources = split_body(body, content_type, max_images=self.settings.max_images)
        return [
            self._read(source, where, model) if isinstance(source, Pixels) else source
            for source, where in zip(sources, _names_of(sources), strict=True)
        ]

    def _read(self, source: bytes | Pixels, where: str, model: ServedModel) -> ServedImage:
        return prepare_image(source, shape=model.shape, max_pixels=self.settings.max_pixels, where=where)

    async def _prepare(self, source: bytes | ServedImage, where: str, model: ServedModel) -> ServedImage:
        if isinstance(source, ServedImage):
            return source
        return await self.aside(partial(self._read, source, where, model))


def _names_of(sources: Sequence[object]) -> list[str]:
    """What errors call them."""
    return ["image"] if len(sources) == 1 else [f"images[{index}]" for index in range(len(sources))]


async def _together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, or the first error; then the other works are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
