"""Answers and images that were seen before: least recently used first out, bounded in bytes and in time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from service.images.served_image import ServedImage
from service.jobs import Job, Outcome

V = TypeVar("V")
T = TypeVar("T", bound=Outcome)

# What an entry takes besides its arrays: keys, objects, the dictionary's own room.
_OVERHEAD_BYTES = 1024


@dataclass(frozen=True)
class _Entry(Generic[V]):
    value: V
    nbytes: int
    expires: float


class LruCache(Generic[V]):
    """A mapping that forgets. Not safe across threads: the event loop owns it."""

    def __init__(self, *, max_bytes: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: OrderedDict[Hashable, _Entry[V]] = OrderedDict()
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._clock = clock
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> V | None:
        """The value, if it is still held."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._clock():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: Hashable, value: V, nbytes: int) -> None:
        """Holds a value of `nbytes` for the time to live; others make room. One that never fits is not held."""
        self._forget(key)
        size = nbytes + _OVERHEAD_BYTES
        if size > self._max_bytes:
            return
        self._entries[key] = _Entry(value, size, self._clock() + self._ttl_s)
        self.nbytes += size
        while self.nbytes > self._max_bytes:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.nbytes -= entry.nbytes


class AnswerCache:
    """Images by their identity, and the engine's answers by job and image, in one budget of memory."""

    def __init__(self, *, max_bytes: int, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lru: LruCache[ServedImage | Outcome] = LruCache(max_bytes=max_bytes, ttl_s=ttl_s, clock=clock)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return self._lru.nbytes

    async def image(self, identity: str) -> ServedImage | None:
        """An image that was kept."""
        return cast(ServedImage | None, self._lru.get(("image", identity)))

    async def keep_images(self, images: Iterable[ServedImage]) -> None:
        """Keeps images, so that each can be named by its identity."""
        for image in images:
            self._lru.put(("image", image.identity), image, image.pixels.nbytes)

    async def answers(self, job: Job[T], identities: Sequence[str]) -> dict[str, T]:
        """The answers to a job that were kept, by the identity of the image that each is about."""
        found = {identity: cast(T | None, self._lru.get((job, identity))) for identity in identities}
        return {identity: outcome for identity, outcome in found.items() if outcome is not None}

    async def keep_answers(self, job: Job[T], outcomes: Mapping[str, T]) -> None:
        """Keeps answers by their image's identity. The job names the model by digest, so another model's answer is
        never returned."""
        for identity, outcome in outcomes.items():
            self._lru.put((job, identity), outcome, outcome.nbytes)
