"""Streams of images, in groups."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from itertools import islice

from client.images import ImageSource


async def grouped(
    images: Iterable[ImageSource] | AsyncIterable[ImageSource], size: int
) -> AsyncIterator[list[ImageSource]]:
    """So many at a time, in their order; the last group may be smaller."""
    if isinstance(images, AsyncIterable):
        group: list[ImageSource] = []
        async for image in images:
            group.append(image)
            if len(group) == size:
                yield group
                group = []
        if group:
            yield group
        return
    iterator = iter(images)
    # In a thread: an iterable may read files.
    while group := await asyncio.to_thread(lambda: list(islice(iterator, size))):
        yield group
