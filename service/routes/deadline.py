"""An answer is worked on while its deadline has not passed and its client still listens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.requests import Request

from service.errors import ClientGone, DeadlinePassed
from service.images.body import read_body
from service.runtime import Runtime
from service.settings import Settings

T = TypeVar("T")


def timeout_s(settings: Settings, asked_ms: int | None) -> float:
    """The time for a request, in s: what its client asks for, but no more than the server allows."""
    return settings.request_timeout_s if asked_ms is None else min(asked_ms / 1000, settings.request_timeout_s)


async def answer_body(
    request: Request, runtime: Runtime, work: Callable[[bytes], Awaitable[T]], *, seconds: float
) -> T:
    """Reads the request's body and gives it to `work`; the deadline, `seconds` from now, spans both.

    Raises:
        DeadlinePassed, ClientGone: `work` was cancelled.
        Malformed, Unsupported, TooLarge, QueueFull: as `read_body` does.
    """

    async def read_and_work() -> T:
        with runtime.body_budget.share() as resize:
            body = await read_body(request, max_bytes=runtime.settings.max_body_bytes, resize=resize)
            return await _while_connected(request, work(body))

    return await _in_time(read_and_work(), seconds)


async def answer_query(request: Request, work: Awaitable[T], *, seconds: float) -> T:
    """Waits for `work` on a request without a body, `seconds` at most.

    Raises:
        DeadlinePassed, ClientGone: `work` was cancelled.
    """
    return await _in_time(_while_connected(request, work), seconds)


async def _in_time(work: Awaitable[T], seconds: float) -> T:
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if not deadline.expired():
            raise
        raise DeadlinePassed(f"expected an answer within {seconds:g} s, got none") from error


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
