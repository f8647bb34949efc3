"""Threads that compute each alone.

One operation spread over several threads waits for the slowest of them, layer after layer. Shares of a batch that are
computed each by one thread wait only at the end: a neighbour that takes a core takes that core's share and no more.
And results do not depend on how many threads there are, since every one of them is computed by one.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

A = TypeVar("A")
T = TypeVar("T")


class Workers:
    """`threads` CPU threads; on a GPU, the calling thread, which has the whole device to itself. `count` of them."""

    def __init__(self, threads: int, device: torch.device) -> None:
        self.count = threads if device.type == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None
        if device.type == "cpu":
            self._pool = ThreadPoolExecutor(
                threads, thread_name_prefix="worker", initializer=torch.set_num_threads, initargs=(1,)
            )

    def map(self, work: Callable[[A], T], parts: Iterable[A]) -> list[T]:
        """The work's results for all parts, in order, in inference mode. May be called from any thread."""
        if self._pool is None:
            return [torch.inference_mode()(work)(part) for part in parts]
        return list(self._pool.map(torch.inference_mode()(work), parts))
