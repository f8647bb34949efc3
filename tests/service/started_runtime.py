"""A runtime without a server around it."""

import asyncio
from collections.abc import Awaitable, Callable

from service.runtime import Runtime
from service.settings import Settings


def with_runtime(settings: Settings, test: Callable[[Runtime], Awaitable[None]]) -> None:
    """Runs a test with a runtime whose start is over, and stops it."""

    async def run() -> None:
        runtime = Runtime(settings)
        await runtime.start()
        try:
            await test(runtime)
        finally:
            await runtime.stop()

    asyncio.run(run())
