"""The process: uvicorn, and an end that loses nothing.

SIGTERM -> /readyz says no -> a delay, in which work is still taken -> no new connections
        -> what was accepted is answered -> the engine ends -> exit 0
"""

import asyncio
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.runtime import Runtime
from service.settings import Settings
from service.telemetry.logs import configure_logging

_KEEP_ALIVE_S = 30
# What other workers say of this one at a scrape is at most this old; the loop ticks ten times a second.
_REFRESH_TICKS = 10
# A connection that was accepted just before the end has this long to deliver its request.
_LAST_REQUESTS_S = 0.25


class DrainingServer(uvicorn.Server):
    """Uvicorn that tells the world before it stops listening, and ends where the models cannot be loaded."""

    def __init__(self, config: uvicorn.Config, runtime: Runtime) -> None:
        super().__init__(config)
        self._runtime = runtime
        self._leave_at: float | None = None
        self.healthy = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins to drain, a second one ends at once."""
        del sig, frame
        if self._leave_at is not None:
            self.should_exit = self.force_exit = True
            return
        self._leave_at = time.monotonic() + self._runtime.settings.drain_delay_s
        self._runtime.announce_drain()

    async def on_tick(self, counter: int) -> bool:
        """Whether the time to stop has come."""
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        if counter % _REFRESH_TICKS == 0:
            self._runtime.metrics.refresh()
        if self._runtime.state == "failed":
            self.healthy = False
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops listening, answers what was accepted, ends the application."""
        loop = asyncio.get_running_loop()
        for server in self.servers:
            for listener in server.sockets:
                loop.remove_reader(listener.fileno())
        # A connection that was just accepted becomes a protocol in the next round of the loop, and would be
        # dropped if its listener were closed by then.
        for _ in range(3):
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        await asyncio.sleep(_LAST_REQUESTS_S)
        await super().shutdown(sockets)


def make_server(app: FastAPI, settings: Settings) -> DrainingServer:
    """A server for an application of `create_app`, not started yet."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="asyncio",
        http="h11",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.drain_timeout_s)),
    )
    return DrainingServer(config, app.state.runtime)


def run_server(app: FastAPI, settings: Settings) -> int:
    """Serves until a signal ends it.

    Returns:
        The exit code: 0 after an orderly end, 1 where the server could not start.
    """
    configure_logging(settings.log_level, settings.log_format)
    server = make_server(app, settings)
    try:
        server.run()
    except SystemExit:
        # Uvicorn's way to say that it could not start, an address in use for example; it has logged why.
        return 1
    return 0 if server.healthy else 1
