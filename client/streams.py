"""Streams: taken in groups, asked about at the same time, answered in their order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


async def grouped(items: Iterable[Item] | AsyncIterable[Item], size: int) -> AsyncGenerator[list[Item], None]:
    """So many at a time, in their order; the last group may be smaller."""
    if isinstance(items, AsyncIterable):
        group: list[Item] = []
        async for item in items:
            group.append(item)
            if len(group) == size:
                yield group
                group = []
        if group:
            yield group
        return
    iterator = iter(items)
    # In a thread: an iterable may read files.
    while group := await asyncio.to_thread(lambda: list(islice(iterator, size))):
        yield group


async def in_order(
    groups: AsyncGenerator[list[Item], None],
    ask: Callable[[list[Item]], Awaitable[Found]],
    *,
    concurrency: int,
) -> AsyncGenerator[Found, None]:
    """What `ask` finds about each group, in their order, as soon as it is there.

    A group is taken when there is room for it: at most `concurrency` of them are asked about, or found and not yet done
    with by the caller. The first error ends it. Nothing is left under way then, nor where it is closed before.
    """
    asked: asyncio.Queue[asyncio.Task[Found] | None] = asyncio.Queue()
    room = asyncio.Semaphore(concurrency)
    under_way: set[asyncio.Task[Found]] = set()

    async def find(group: list[Item]) -> Found:
        return await ask(group)

    async def feed() -> None:
        try:
            async with aclosing(groups):
                await room.acquire()
                async for group in groups:
                    task = asyncio.create_task(find(group))
                    under_way.add(task)
                    asked.put_nowait(task)
                    await room.acquire()
        finally:
            asked.put_nowait(None)

    feeding = asyncio.create_task(feed())
    try:
        while (task := await asked.get()) is not None:
            yield await task
            under_way.discard(task)
            room.release()
        await feeding
    finally:
        for left in (feeding, *under_way):
            left.cancel()
        await asyncio.gather(feeding, *under_way, return_exceptions=True)
