"""One client's connection: uvicorn's, which also ends what would stay open for nothing.

Uvicorn waits without end for a request's headers, and for a client to take its answer: clients that do either slowly
need no power to hold all the connections that a process may have.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from service.settings import Settings
from service.telemetry.metrics import Metrics


class GuardedConnection(H11Protocol):
    """Has `header_timeout_s` for each request's line and headers, and `request_timeout_s` for its answer to be taken.

    What lies between, the body and the work, has a deadline of its own. Beyond `max_connections` a new one is closed
    at once.
    """

    def __init__(self, *args: Any, settings: Settings, metrics: Metrics, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._metrics = metrics
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._settings.max_connections:
            self._metrics.rejected.labels("too-many-connections").inc()
            transport.abort()
            return
        self._start(self._end_without_headers, self._settings.header_timeout_s)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop(self._end_without_headers)
        elif self._end_without_headers not in self._timers:
            self._start(self._end_without_headers, self._settings.header_timeout_s)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._start(self._end_with_answer_untaken, self._settings.request_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        for end in list(self._timers):
            self._stop(end)
        super().connection_lost(exc)

    def _end_without_headers(self) -> None:
        self._metrics.rejected.labels("headers-late").inc()
        self.transport.abort()

    def _end_with_answer_untaken(self) -> None:
        if self.transport.get_write_buffer_size() > 0:
            self._metrics.rejected.labels("answer-not-taken").inc()
            self.transport.abort()

    def _start(self, end: Callable[[], None], seconds: float) -> None:
        self._stop(end)
        self._timers[end] = self.loop.call_later(seconds, end)

    def _stop(self, end: Callable[[], None]) -> None:
        timer = self._timers.pop(end, None)
        if timer is not None:
            timer.cancel()
