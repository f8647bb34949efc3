"""How late the event loop is: what blocks it delays every request."""

import asyncio

from prometheus_client import Histogram

INTERVAL_S = 0.25


async def measure_loop_lag(histogram: Histogram, interval_s: float = INTERVAL_S) -> None:
    """Observes, until it is cancelled, by how many seconds the loop wakes a sleeper too late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        histogram.observe(max(0.0, loop.time() - due))
