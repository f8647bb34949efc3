import asyncio
import time

from service.telemetry.loop_lag import measure_loop_lag
from service.telemetry.metrics import Metrics


def test_what_blocks_the_loop_is_seen() -> None:
    metrics = Metrics()

    async def block() -> None:
        measuring = asyncio.create_task(measure_loop_lag(metrics.event_loop_lag_seconds, 0.01))
        await asyncio.sleep(0)
        time.sleep(0.2)
        await asyncio.sleep(0.02)
        measuring.cancel()
        await asyncio.gather(measuring, return_exceptions=True)

    asyncio.run(block())
    read = metrics.registry.get_sample_value
    total = read("eabs_event_loop_lag_seconds_sum")
    assert total is not None
    assert total >= 0.15
