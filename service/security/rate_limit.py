"""How often a caller may ask, by the `limits` library: a window that slides, with two numbers a caller."""

import math
import time
from collections import OrderedDict

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

# The least recently seen caller is forgotten beyond this: whoever has thousands of addresses must not fill the memory.
_MAX_CALLERS = 4096


class RateLimit:
    """Counts the requests of each caller; of this process alone. Belongs to one event loop."""

    def __init__(self, rate: str, *, max_callers: int = _MAX_CALLERS) -> None:
        """
        Args:
            rate: `100/second`, `5000/hour`, as `limits` reads it.
            max_callers: how many are remembered.
        """
        self._rate = parse(rate)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._callers: OrderedDict[str, None] = OrderedDict()
        self._max_callers = max_callers

    def __str__(self) -> str:
        return str(self._rate)

    def __len__(self) -> int:
        """The callers that are remembered."""
        return len(self._callers)

    async def take(self, caller: str) -> int | None:
        """Counts one request of a caller. None where it may go on, or in how many seconds it may try again."""
        self._callers[caller] = None
        self._callers.move_to_end(caller)
        if len(self._callers) > self._max_callers:
            forgotten, _ = self._callers.popitem(last=False)
            await self._limiter.clear(self._rate, forgotten)
        if await self._limiter.hit(self._rate, caller):
            return None
        window = await self._limiter.get_window_stats(self._rate, caller)
        return max(1, math.ceil(window.reset_time - time.time()))
