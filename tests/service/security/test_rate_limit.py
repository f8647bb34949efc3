import asyncio

from service.security.rate_limit import RateLimit


def test_a_caller_is_let_through_as_often_as_the_rate_says_and_told_when_to_come_back() -> None:
    async def run() -> list[int | None]:
        limit = RateLimit("3/day")
        return [await limit.take("a") for _ in range(5)]

    waits = asyncio.run(run())
    assert waits[:3] == [None, None, None]
    assert all(wait is not None and 1 <= wait <= 86400 for wait in waits[3:])


def test_callers_do_not_count_for_each_other() -> None:
    async def run() -> list[int | None]:
        limit = RateLimit("1/day")
        return [await limit.take(str(index)) for index in range(50)]

    assert set(asyncio.run(run())) == {None}


def test_callers_without_end_take_no_memory_without_end() -> None:
    async def run() -> RateLimit:
        limit = RateLimit("1/day", max_callers=100)
        for index in range(2_000):
            await limit.take(str(index))
        assert await limit.take("1999") is not None, "the latest are remembered"
        return limit

    limit = asyncio.run(run())
    assert len(limit) == 100
    storage = limit._limiter.storage
    assert max(len(storage.storage), len(storage.expirations), len(storage.locks)) <= 300  # type: ignore[attr-defined]
