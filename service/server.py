"""Uvicorn, and an end that loses nothing.

begin_drain -> /readyz says no -> a delay, in which work is still taken -> no new connections
            -> what was accepted is answered -> the application ends
"""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.connection import GuardedConnection
from service.process.exit_code import ExitCode
from service.process.listening import Listener, bind
from service.runtime import Runtime
from service.settings import Settings

logger = logging.getLogger(__name__)

_KEEP_ALIVE_S = 30
# What other workers say of this one at a scrape is at most this old; the loop ticks ten times a second.
_REFRESH_TICKS = 10
# A connection that was accepted just before the end has this long to begin its first request.
_FIRST_REQUEST_S = 2.0
# Once nobody waits for an answer, the engine may take this long to finish what it began for those who left.
CLOSING_S = 5.0
_POLL_S = 0.02


class DrainingServer(uvicorn.Server):
    """Uvicorn that tells the world before it stops listening, and ends where the models cannot be loaded.

    Signals are the process's matter, which may have several servers: it calls `begin_drain`.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        runtime: Runtime,
        sockets: Sequence[socket.socket],
        *,
        listen_at_once: bool,
        on_ready: Callable[[], None],
        ends_for_all: Callable[[], bool],
    ) -> None:
        super().__init__(config)
        self.servers = []
        self.exit_code = ExitCode.OK
        self.closed = False
        """Whether the application has ended, and with it all threads, so that the process can end by itself."""
        self.runtime = runtime
        self._listener = Listener(sockets, self._protocol)
        self._listen_at_once = listen_at_once
        self._on_ready = on_ready
        self._ends_for_all = ends_for_all
        self._was_ready = False
        self._leave_at: float | None = None

    @property
    def draining(self) -> bool:
        """Whether the end has begun."""
        return self._leave_at is not None

    @property
    def unanswered(self) -> int:
        """Accepted requests whose answer is not with the operating system yet. May be asked from any thread."""
        connections = cast("list[H11Protocol]", list(self.server_state.connections))
        return sum(
            (connection.cycle is not None and not connection.cycle.response_complete)
            or connection.transport.get_write_buffer_size() > 0
            for connection in connections
        )

    def begin_drain(self) -> None:
        """Lets /readyz say no, and the server end once `drain_delay_s` has passed. May be called in a signal's handler,
        and again."""
        if self._leave_at is None:
            self._leave_at = time.monotonic() + self.runtime.settings.drain_delay_s
            self.runtime.announce_drain()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stay as the process has set them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts the application, and listens: at once, so that /healthz answers while models load, or once ready."""
        del sockets
        await super().startup(sockets=[])
        if self._listen_at_once:
            self._listener.start()

    async def on_tick(self, counter: int) -> bool:
        """Whether the time to stop has come."""
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        if counter % _REFRESH_TICKS == 0:
            self.runtime.metrics.refresh()
        if self.runtime.state == "failed":
            self.exit_code = ExitCode.FAILED
            self.should_exit = True
        if self.runtime.state == "ready" and not self._was_ready:
            self._was_ready = True
            if not self._listen_at_once:
                self._listener.start()
            self._on_ready()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops listening, answers what was accepted while the time to drain lasts, ends the application."""
        del sockets
        give_up = time.monotonic() + self.runtime.settings.drain_timeout_s
        await self._listener.close(for_all=self._ends_for_all())
        await self._hear_newcomers(until=min(give_up, time.monotonic() + _FIRST_REQUEST_S))
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while (self.server_state.connections or self.server_state.tasks) and time.monotonic() < give_up:
            await asyncio.sleep(_POLL_S)
        if lost := self.unanswered:
            self.exit_code = ExitCode.REQUESTS_LOST
            limit = self.runtime.settings.drain_timeout_s
            logger.error("drain_timeout_s has passed (%g s): %d accepted requests get no answer", limit, lost)
            for task in list(self.server_state.tasks):
                task.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.shutdown(), CLOSING_S)
            self.closed = True

    async def _hear_newcomers(self, *, until: float) -> None:
        """Returns once no connection is left that has not begun a request: closed now, it would lose its first one.
        A connection that is idle after an answer has been told to close, or has been idle since before the end."""
        while time.monotonic() < until:
            await asyncio.sleep(_POLL_S)
            connections = cast("list[H11Protocol]", list(self.server_state.connections))
            if all(connection.cycle is not None for connection in connections):
                return

    def _protocol(self) -> asyncio.Protocol:
        return GuardedConnection(
            self.config,
            self.server_state,
            self.lifespan.state,
            settings=self.runtime.settings,
            metrics=self.runtime.metrics,
        )


def make_server(
    app: FastAPI,
    settings: Settings,
    sockets: Sequence[socket.socket] | None = None,
    *,
    listen_at_once: bool = True,
    on_ready: Callable[[], None] = lambda: None,
    ends_for_all: Callable[[], bool] = lambda: True,
) -> DrainingServer:
    """A server for an application of `create_app`, not started yet.

    Args:
        app: what answers.
        settings: how long draining takes; where to listen.
        sockets: where to listen instead; they listen already.
        listen_at_once: whether connections are accepted before the models are loaded.
        on_ready: called once they are.
        ends_for_all: whether, at its end, no other process goes on to accept from the sockets.

    Raises:
        CannotListen: the settings' address is not to be had.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    sockets = bind(settings.host, settings.port) if sockets is None else sockets
    return DrainingServer(
        config, app.state.runtime, sockets, listen_at_once=listen_at_once, on_ready=on_ready, ends_for_all=ends_for_all
    )
