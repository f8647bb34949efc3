"""Writes that nobody waits for, bounded: what a slow store cannot take in time is dropped, and memory does not grow."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class WriteBehind(Generic[T]):
    """A queue before a store. Items are written soon, in their order, several together. Belongs to one event loop."""

    def __init__(
        self, write: Callable[[Sequence[T]], Awaitable[None]], *, max_items: int, max_bytes: int, batch_bytes: int
    ) -> None:
        """Args:
        write: writes items; ends by itself.
        max_items: that wait or are being written.
        max_bytes: of them together.
        batch_bytes: that are written together at most, unless one item alone is larger.
        """
        self._write = write
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._batch_bytes = batch_bytes
        self._waiting: deque[tuple[T, int]] = deque()
        self._held_items = self._held_bytes = 0
        self._changed = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return self._held_items

    def start(self) -> None:
        """Begins to write."""
        self._task = asyncio.create_task(self._run(), name="write-behind")

    def put(self, item: T, nbytes: int) -> bool:
        """Takes an item to write, if there is room.

        Returns:
            Whether it was taken.
        """
        if self._closing or self._held_items >= self._max_items or self._held_bytes + nbytes > self._max_bytes:
            return False
        self._waiting.append((item, nbytes))
        self._held_items += 1
        self._held_bytes += nbytes
        self._changed.set()
        return True

    async def close(self, *, seconds: float) -> int:
        """Writes what waits, for at most `seconds`, and ends.

        Returns:
            How many items were not written.
        """
        self._closing = True
        self._changed.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        return self._held_items

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            batch, nbytes = self._take()
            try:
                await self._write(batch)
            except Exception:
                logger.exception("%d items were not written", len(batch))
            self._held_items -= len(batch)
            self._held_bytes -= nbytes

    def _take(self) -> tuple[list[T], int]:
        batch: list[T] = []
        total = 0
        while self._waiting and (not batch or total + self._waiting[0][1] <= self._batch_bytes):
            item, nbytes = self._waiting.popleft()
            batch.append(item)
            total += nbytes
        return batch, total
