"""A mapping that forgets: the least recently used first, bounded in bytes and in time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")

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
