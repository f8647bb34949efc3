"""Leaves alone what fails again and again, and asks it now and then whether it is well."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable


class CircuitBreaker:
    """Opens after `failures` in a row; then a probe every `pause_s`, in the background, until one succeeds.

    Nobody but the probe waits on what is broken. Belongs to one event loop.
    """

    def __init__(self, probe: Callable[[], Awaitable[bool]], *, failures: int, pause_s: float) -> None:
        """Args:
        probe: says whether it works again; does not raise, and ends by itself.
        failures: how many in a row open the breaker.
        pause_s: how long to wait before each probe, in s.
        """
        self._probe = probe
        self._limit = failures
        self._pause_s = pause_s
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is to be left alone."""
        return self._probing is not None

    def succeeded(self) -> None:
        """It worked: failures are counted anew."""
        self._failures = 0

    def failed(self) -> bool:
        """It failed.

        Returns:
            Whether this failure opened the breaker.
        """
        self._failures += 1
        if self.is_open or self._failures < self._limit:
            return False
        # Not in the context of the request that happened to be the last one to fail.
        self._probing = asyncio.create_task(self._recover(), name="circuit breaker", context=contextvars.Context())
        return True

    async def close(self) -> None:
        """Ends the probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _recover(self) -> None:
        while True:
            await asyncio.sleep(self._pause_s)
            if await self._probe():
                break
        self._failures = 0
        self._probing = None
