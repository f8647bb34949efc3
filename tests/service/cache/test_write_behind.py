import asyncio
from collections.abc import Sequence

import pytest

from service.cache.write_behind import WriteBehind


class Store:
    """Holds what is written while it is open; a closed one hangs."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fails = False

    async def write(self, items: Sequence[str]) -> None:
        await self.open.wait()
        if self.fails:
            raise ValueError("it fails")
        self.batches.append(list(items))


def before(store: Store) -> WriteBehind[str]:
    return WriteBehind(store.write, max_items=5, max_bytes=100, batch_bytes=30)


def test_what_was_put_is_written_in_order_several_together() -> None:
    async def run() -> None:
        store = Store()
        writes = before(store)
        for item in "abcde":
            assert writes.put(item, 10)
        writes.start()
        assert await writes.close(seconds=60) == 0
        assert store.batches == [["a", "b", "c"], ["d", "e"]]

    asyncio.run(run())


def test_an_item_larger_than_a_batch_is_one() -> None:
    async def run() -> None:
        store = Store()
        writes = before(store)
        for item, nbytes in (("a", 10), ("b", 50), ("c", 10)):
            assert writes.put(item, nbytes)
        writes.start()
        await writes.close(seconds=60)
        assert store.batches == [["a"], ["b"], ["c"]]

    asyncio.run(run())


def test_it_writes_what_comes_after_it_was_empty() -> None:
    async def run() -> None:
        store = Store()
        writes = before(store)
        writes.start()
        for item in "ab":
            writes.put(item, 1)
            while len(writes):
                await asyncio.sleep(0)
        assert store.batches == [["a"], ["b"]]
        await writes.close(seconds=60)

    asyncio.run(run())


@pytest.mark.parametrize(("nbytes", "taken"), [(0, 5), (30, 3), (101, 0)])
def test_a_store_that_hangs_fills_it_to_its_bounds_and_no_further(nbytes: int, taken: int) -> None:
    async def run() -> None:
        store = Store()
        store.open.clear()
        writes = before(store)
        writes.start()
        results = []
        for _ in range(20):
            results.append(writes.put("x", nbytes))
            await asyncio.sleep(0)
        assert results == [True] * taken + [False] * (20 - taken)
        store.open.set()
        while len(writes):
            await asyncio.sleep(0)
        assert writes.put("y", 10)
        assert await writes.close(seconds=60) == 0

    asyncio.run(run())


def test_closing_does_not_wait_for_a_store_that_hangs_and_says_what_is_lost() -> None:
    async def run() -> None:
        store = Store()
        store.open.clear()
        writes = before(store)
        writes.start()
        for item in "abcd":
            writes.put(item, 10)
        await asyncio.sleep(0)
        assert await writes.close(seconds=0.001) == 4
        assert not writes.put("e", 1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_a_write_that_raises_is_logged_and_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        store = Store()
        store.fails = True
        writes = before(store)
        writes.start()
        writes.put("a", 10)
        while len(writes):
            await asyncio.sleep(0)
        store.fails = False
        writes.put("b", 10)
        assert await writes.close(seconds=60) == 0
        assert store.batches == [["b"]]

    asyncio.run(run())
    assert "1 items were not written" in caplog.text
