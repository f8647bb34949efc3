"""The awaiting client and a real server."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import BaseModel

from client import AsyncClient, Client, Unsupported
from tests.client.scripted_server import Scripted, scripted_server
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

VARIES = {"request_id": True, "timing_ms": True, "results": {"__all__": {"cached"}}}


def both(server: RunningServer, ask: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The answers of the blocking client and of the awaiting one."""

    async def awaited() -> Any:
        async with AsyncClient(server.url) as client:
            return await ask(client)

    with Client(server.url) as client:
        return ask(client), asyncio.run(awaited())


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.classify([random_png(1), random_png(2)], effort="fast"),
        lambda client: client.certify(random_png(1), method="finite-bank", classifier="finite-bank"),
        lambda client: client.models(),
        lambda client: client.model("mnist"),
        lambda client: client.ready(),
        lambda client: client.health(),
    ],
    ids=["classify", "certify", "models", "model", "ready", "health"],
)
def test_both_clients_get_the_same_answer(server: RunningServer, ask: Callable[[Any], Any]) -> None:
    blocked, awaited = both(server, ask)
    assert isinstance(blocked, BaseModel)
    exclude = VARIES if "results" in type(blocked).model_fields else None
    assert blocked.model_dump(exclude=exclude) == awaited.model_dump(exclude=exclude)


def test_both_clients_have_the_same_calls_with_the_same_arguments() -> None:
    calls = {name for name in vars(Client) if not name.startswith("_")} - {"close"}
    assert calls == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose", "classify_many"}
    for name in (*calls, "__init__"):
        ours, theirs = (inspect.signature(getattr(form, name)).parameters for form in (Client, AsyncClient))
        assert list(ours.values()) == list(theirs.values()), name


def in_client(server: RunningServer, use: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with AsyncClient(server.url) as client:
            return await use(client)

    return asyncio.run(run())


async def endless(taken: list[int]) -> AsyncIterator[bytes]:
    while True:
        taken.append(len(taken))
        yield random_png(taken[-1] % 5)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_is_answered_in_its_order(server: RunningServer, asynchronous: bool) -> None:  # noqa: FBT001
    async def stream() -> AsyncIterator[bytes]:
        for seed in range(23):
            yield random_png(seed % 5)

    async def use(client: AsyncClient) -> list[str]:
        images = stream() if asynchronous else (random_png(seed % 5) for seed in range(23))
        found = client.classify_many(images, concurrency=3, batch=4, classifier="finite-bank")
        return [result.image_id async for result in found]

    ids = in_client(server, use)
    assert len(ids) == 23
    assert len(set(ids)) == 5
    assert ids == (ids[:5] * 5)[:23]


def test_a_stream_is_taken_no_faster_than_it_is_answered(server: RunningServer) -> None:
    taken: list[int] = []

    async def use(client: AsyncClient) -> None:
        found = client.classify_many(endless(taken), concurrency=2, batch=3, classifier="finite-bank")
        async with aclosing(found):
            answered = 0
            async for _ in found:
                answered += 1
                assert len(taken) <= answered + 2 * 3
                if answered == 40:
                    break
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_client(server, use)


def test_an_error_ends_a_stream_and_what_was_under_way(server: RunningServer) -> None:
    def images() -> Iterator[bytes]:
        yield random_png(1)
        yield b"no image"
        yield from (random_png(seed) for seed in range(50))

    async def use(client: AsyncClient) -> None:
        found = client.classify_many(images(), concurrency=2, batch=1, classifier="finite-bank")
        assert (await anext(found)).classifier == "finite-bank"
        with pytest.raises(Unsupported):
            await anext(found)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    in_client(server, use)


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"batch": 0}])
def test_a_stream_without_room_is_refused(server: RunningServer, wrong: dict[str, int]) -> None:
    async def use(client: AsyncClient) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            await anext(client.classify_many([random_png()], **wrong))  # type: ignore[arg-type]

    in_client(server, use)


def test_a_refusal_is_waited_out_without_blocking_the_loop() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    async def run(url: str) -> None:
        async with AsyncClient(url) as client:
            ticking = asyncio.create_task(tick())
            await client.models()
            ticking.cancel()

    answers = Scripted(503, headers={"Retry-After": "1"}), Scripted(200, b'{"models": []}')
    with scripted_server(*answers) as server:
        asyncio.run(run(server.url))
    assert server.asked_at[1] - server.asked_at[0] >= 1
    assert ticks > 3
