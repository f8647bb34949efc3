"""While the server drains, every answer asks its client to connect anew: elsewhere, by then."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from service.middleware.answering import editing_headers


class DrainingMiddleware:
    """Adds `Connection: close` to answers while `is_draining` says so."""

    def __init__(self, app: ASGIApp, is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def close(headers: MutableHeaders) -> None:
            if self._is_draining():
                headers["Connection"] = "close"

        await self._app(scope, receive, editing_headers(send, close) if scope["type"] == "http" else send)
