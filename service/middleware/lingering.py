"""A refusal that the client can read, although it is still sending.

A server that closes a connection with unread bytes resets it, and the reset may overtake the answer. So after an
early refusal the rest of the body is thrown away for a moment before the answer is declared complete.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_S = 2.0


class LingeringMiddleware:
    """Throws away what a refused client still sends, for a short time; nothing of it is kept."""

    def __init__(self, app: ASGIApp, linger_s: float = LINGER_S) -> None:
        self._app = app
        self._linger_s = linger_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._linger_s)
        await self._app(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send, linger_s: float) -> None:
        self._receive = receive
        self._send = send
        self._linger_s = linger_s
        self._body_complete = False
        self._refused = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._body_complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._refused = message["status"] >= 400
        elif self._refused and not self._body_complete and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._discard()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _discard(self) -> None:
        try:
            async with asyncio.timeout(self._linger_s):
                while not self._body_complete:
                    await self.receive()
        except TimeoutError:
            pass
