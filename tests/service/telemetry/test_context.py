import asyncio
from concurrent.futures import ThreadPoolExecutor

from service.telemetry.context import current_batch, run_in, working_for


def test_a_thread_knows_for_whom_it_works() -> None:
    async def run() -> tuple[str, ...]:
        with ThreadPoolExecutor(1) as pool, working_for(["a", "b", "a"]):
            return await run_in(pool, current_batch)

    assert asyncio.run(run()) == ("a", "b")


def test_afterwards_the_thread_has_forgotten() -> None:
    async def run() -> tuple[str, ...]:
        with ThreadPoolExecutor(1) as pool:
            with working_for(["a"]):
                await run_in(pool, current_batch)
            return await run_in(pool, current_batch)

    assert asyncio.run(run()) == ()
