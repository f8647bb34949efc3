"""Answers and images that were seen before: in this process' memory, and behind it where several servers share them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar, cast

from service.cache.lru import LruCache
from service.cache.shared import SharedCache
from service.images.served_image import ServedImage
from service.jobs import Job, Outcome
from service.telemetry.metrics import Metrics

_TIER = "memory"

T = TypeVar("T", bound=Outcome)


class AnswerCache:
    """Images by their identity, and the engine's answers by job and image. What memory does not hold is asked of the
    shared tier, if there is one. Belongs to one event loop, from `start` to `close`."""

    def __init__(
        self,
        *,
        max_bytes: int,
        ttl_s: float,
        metrics: Metrics,
        shared: SharedCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        max_bytes: of memory, for answers and images together; 0 holds none.
        ttl_s: how long memory holds them, in s.
        metrics: where memory's hits and misses are counted.
        shared: the second tier.
        clock: of the time to live, in s.
        """
        self._memory: LruCache[ServedImage | Outcome] = LruCache(max_bytes=max_bytes, ttl_s=ttl_s, clock=clock)
        self._shared = shared
        self._metrics = metrics

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._memory.nbytes

    def start(self) -> None:
        """Begins to write to the shared tier."""
        if self._shared is not None:
            self._shared.start()

    async def close(self) -> None:
        """Writes what the shared tier still waits for, for a moment, and leaves it."""
        if self._shared is not None:
            await self._shared.close()

    async def image(self, identity: str) -> ServedImage | None:
        """An image that was kept."""
        image = cast(ServedImage | None, self._memory.get(("image", identity)))
        self._count("image", found=int(image is not None), asked=1)
        if image is None and self._shared is not None:
            image = await self._shared.image(identity)
            if image is not None:
                self._remember_image(image)
        return image

    async def keep_images(self, images: Iterable[ServedImage]) -> None:
        """Keeps images, so that each can be named by its identity."""
        for image in images:
            self._remember_image(image)
            if self._shared is not None:
                self._shared.keep_image(image)

    async def answers(self, job: Job[T], identities: Sequence[str]) -> dict[str, T]:
        """The answers to a job that were kept, by the identity of the image that each is about."""
        found = self._remembered(job, identities)
        missing = [identity for identity in identities if identity not in found]
        self._count("answer", found=len(found), asked=len(identities))
        if missing and self._shared is not None:
            others = await self._shared.answers(job, missing)
            self._remember_answers(job, others)
            # Another request may have kept some while this one waited.
            found |= others | self._remembered(job, missing)
        return found

    async def keep_answers(self, job: Job[T], outcomes: Mapping[str, T]) -> None:
        """Keeps answers by their image's identity. The job names the model by digest, so another model's answer is
        never returned."""
        self._remember_answers(job, outcomes)
        if self._shared is not None:
            self._shared.keep_answers(job, outcomes)

    def _remembered(self, job: Job[T], identities: Sequence[str]) -> dict[str, T]:
        held = {identity: cast(T | None, self._memory.get((job, identity))) for identity in identities}
        return {identity: outcome for identity, outcome in held.items() if outcome is not None}

    def _remember_image(self, image: ServedImage) -> None:
        self._memory.put(("image", image.identity), image, image.pixels.nbytes)

    def _remember_answers(self, job: Job[T], outcomes: Mapping[str, T]) -> None:
        for identity, outcome in outcomes.items():
            self._memory.put((job, identity), outcome, outcome.nbytes)

    def _count(self, kind: str, *, found: int, asked: int) -> None:
        self._metrics.cache_tier_hits.labels(_TIER, kind).inc(found)
        self._metrics.cache_tier_misses.labels(_TIER, kind).inc(asked - found)
