"""Work that is handed to another thread stays work for its request."""

import asyncio
import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_batch: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("batch_request_ids", default=())


def current_batch() -> tuple[str, ...]:
    """The identities of the requests whose images this code works on together; none outside of a batch."""
    return _batch.get()


@contextmanager
def working_for(request_ids: Sequence[str]) -> Iterator[None]:
    """Marks all that is called or started within as work on a batch of these requests' images."""
    token = _batch.set(tuple(dict.fromkeys(request_ids)))
    try:
        yield
    finally:
        _batch.reset(token)


async def run_in(executor: Executor, work: Callable[[], T]) -> T:
    """Does blocking work in a thread of `executor`, in the caller's context: its log lines carry the request's
    identity, its spans are the request's."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(work))
