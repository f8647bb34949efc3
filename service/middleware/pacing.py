"""Requests begin one after the other, so that a crowd of them does not hold up a probe.

An event loop does everything that is ready before it looks for more. Hundreds of requests that arrive together are
ready together, and whoever asks whether the server lives would wait until each of them had begun.
"""

import asyncio
from collections import deque
from collections.abc import Container

from starlette.types import ASGIApp, Receive, Scope, Send


class PacingMiddleware:
    """Lets one request begin in each round of the event loop, as they arrived; a few paths do not wait."""

    def __init__(self, app: ASGIApp, *, prompt: Container[str]) -> None:
        """Args:
        app: what answers.
        prompt: the paths that are answered at once.
        """
        self._app = app
        self._prompt = prompt
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._prompt:
            await self._turn()
        await self._app(scope, receive, send)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._next, loop)
        self._waiting.append(turn)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._waiting.popleft()
        if self._waiting:
            loop.call_soon(self._next, loop)
        if not turn.done():
            turn.set_result(None)
