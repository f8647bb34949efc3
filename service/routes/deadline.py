"""An answer is worked on while its deadline has not passed and its client still listens."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from service.deadline import Deadline
from service.errors import ClientGone
from service.images.body import IMAGES, BodyForm, encoding_of, read_body
from service.images.inflate import inflate
from service.runtime import Runtime
from service.settings import Settings

T = TypeVar("T")


def deadline_of(settings: Settings, asked_ms: int | None) -> Deadline:
    """The deadline of a request that begins now: what its client asks for, but no later than the server allows."""
    allowed_s = settings.request_timeout_s
    return Deadline.after(allowed_s if asked_ms is None else min(asked_ms / 1000, allowed_s))


async def answer_body(
    request: Request,
    runtime: Runtime,
    work: Callable[[bytes], Awaitable[T]],
    *,
    deadline: Deadline,
    form: BodyForm = IMAGES,
) -> T:
    """Reads the request's body and gives it to `work`, unpacked; the deadline spans all.

    Raises:
        DeadlinePassed, ClientGone: `work` was cancelled.
        Malformed, Unsupported, TooLarge, QueueFull: as `read_body` and `inflate` do.
    """

    async def read_and_work() -> T:
        with runtime.body_budget.share() as resize:
            limit = runtime.settings.max_body_bytes
            body = await read_body(request, max_bytes=limit, resize=resize, form=form)
            if (encoding := encoding_of(request)) is not None:
                # How much it will be is known only afterwards.
                resize(len(body) + limit)
                body = await runtime.aside(partial(inflate, body, encoding, max_bytes=limit))
                resize(len(body))
            return await _while_connected(request, work(body))

    return await in_time(read_and_work(), deadline)


async def answer_query(request: Request, work: Awaitable[T], *, deadline: Deadline) -> T:
    """Waits for `work` on a request without a body, until its deadline.

    Raises:
        DeadlinePassed, ClientGone: `work` was cancelled.
    """
    return await in_time(_while_connected(request, work), deadline)


async def in_time(work: Awaitable[T], deadline: Deadline) -> T:
    """Waits for `work` until the deadline.

    Raises:
        DeadlinePassed: `work` was cancelled.
    """
    timer = asyncio.timeout(deadline.remaining_s)
    try:
        async with timer:
            return await work
    except TimeoutError as error:
        if not timer.expired():
            raise
        raise deadline.error() from error


async def _while_connected(request: Request, work: Awaitable[T]) -> T:
    task = asyncio.ensure_future(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone("The client hung up before its answer was there.")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
