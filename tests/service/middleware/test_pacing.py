import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.middleware.pacing import PacingMiddleware

Begin = Callable[[str], "asyncio.Task[None]"]


def with_pacing(test: Callable[[Begin, list[str]], Awaitable[None]]) -> None:
    """Runs a test with a way to begin a request, and the paths that the application was asked for so far."""
    begun: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        begun.append(scope["path"])

    async def receive() -> Message:
        raise AssertionError("nobody reads")

    async def send(_: Message) -> None:
        raise AssertionError("nobody answers")

    async def run() -> None:
        paced = PacingMiddleware(app, prompt={"/healthz"})

        def begin(path: str) -> asyncio.Task[None]:
            async def request() -> None:
                await paced({"type": "http", "path": path}, receive, send)

            return asyncio.create_task(request())

        async with asyncio.timeout(20):
            await test(begin, begun)

    asyncio.run(run())


def test_requests_that_arrive_together_begin_in_their_order() -> None:
    async def test(begin: Begin, begun: list[str]) -> None:
        paths = [f"/{number}" for number in range(50)]
        await asyncio.gather(*(begin(path) for path in paths))
        assert begun == paths

    with_pacing(test)


def test_a_probe_overtakes_a_crowd() -> None:
    async def test(begin: Begin, begun: list[str]) -> None:
        crowd = [begin("/classify") for _ in range(50)]
        await asyncio.sleep(0)
        await begin("/healthz")
        assert begun.index("/healthz") <= 3
        await asyncio.gather(*crowd)
        assert len(begun) == 51

    with_pacing(test)


def test_one_request_begins_in_each_round_of_the_loop() -> None:
    async def test(begin: Begin, begun: list[str]) -> None:
        crowd = [begin("/classify") for _ in range(10)]
        seen = []
        while len(begun) < 10:
            await asyncio.sleep(0)
            seen.append(len(begun))
        assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) == 1
        await asyncio.gather(*crowd)

    with_pacing(test)


def test_a_request_that_is_cancelled_while_it_waits_holds_up_no_other() -> None:
    async def test(begin: Begin, begun: list[str]) -> None:
        first, gone, last = begin("/first"), begin("/gone"), begin("/last")
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        await asyncio.gather(first, last)
        await begin("/later")
        assert begun == ["/first", "/last", "/later"]

    with_pacing(test)
