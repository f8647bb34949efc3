"""Groups asked about at the same time, by events of the test's own: nothing here waits for a server."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from client.streams import grouped, in_order


def run(test: Coroutine[Any, Any, None]) -> None:
    async def alone() -> None:
        await test
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(alone())


async def slowly(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("items", [range(7), slowly(7)], ids=["iterable", "asynchronous"])
def test_groups_keep_the_order_and_the_last_is_smaller(items: Any) -> None:
    async def test() -> None:
        assert [group async for group in grouped(items, 3)] == [[0, 1, 2], [3, 4, 5], [6]]

    run(test())


def test_answers_keep_the_order_whoever_is_first() -> None:
    async def ask(group: list[int]) -> int:
        await asyncio.sleep(0.02 if group == [0] else 0)
        return group[0]

    async def test() -> None:
        found = in_order(grouped(slowly(9), 1), ask, concurrency=4)
        assert [number async for number in found] == list(range(9))

    run(test())


def test_an_answer_is_there_before_the_next_image_comes() -> None:
    async def test() -> None:
        more = asyncio.Event()

        async def images() -> AsyncIterator[int]:
            yield 0
            await more.wait()
            yield 1

        async def ask(group: list[int]) -> list[int]:
            return group

        found = in_order(grouped(images(), 1), ask, concurrency=4)
        assert await anext(found) == [0]
        more.set()
        assert await anext(found) == [1]
        assert [group async for group in found] == []

    run(test())


def test_no_more_is_taken_than_there_is_room_for() -> None:
    async def test() -> None:
        taken: list[int] = []
        asked: list[int] = []

        async def images() -> AsyncIterator[int]:
            while True:
                taken.append(len(taken))
                yield taken[-1]

        async def ask(group: list[int]) -> int:
            asked.append(group[0])
            return group[0]

        found = in_order(grouped(images(), 2), ask, concurrency=3)
        for answered in range(4):
            assert await anext(found) == 2 * answered
            await settle()
            # Three groups at most, of which one is with the caller.
            assert len(taken) == 2 * (3 + answered)
            assert len(asked) == 3 + answered
        await found.aclose()

    run(test())


@pytest.mark.parametrize("where", ["images", "ask"])
def test_an_error_comes_in_its_place_and_ends_what_is_under_way(where: str) -> None:
    async def test() -> None:
        given_up: list[int] = []

        async def images() -> AsyncIterator[int]:
            for number in range(9):
                if where == "images" and number == 2:
                    raise OSError("images")
                yield number

        async def ask(group: list[int]) -> int:
            if where == "ask" and group == [2]:
                raise OSError("ask")
            if group[0] > 2:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    given_up.append(group[0])
                    raise
            return group[0]

        found = in_order(grouped(images(), 1), ask, concurrency=4)
        assert [await anext(found), await anext(found)] == [0, 1]
        await settle()
        with pytest.raises(OSError, match=where):
            await anext(found)
        # 1 is with the caller, and 2 has failed.
        assert set(given_up) == (set() if where == "images" else {3, 4})

    run(test())
