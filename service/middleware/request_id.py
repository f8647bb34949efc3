"""Every request has an identity, which its answer, its log line and its errors carry."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from service.middleware.answering import editing_headers

HEADER = "X-Request-Id"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def current_request_id() -> str:
    """The identity of the request that this code runs for; "-" outside of one."""
    return _current.get()


@contextmanager
def identified(request_id: str) -> Iterator[None]:
    """Marks all that is called or started within as work for this request."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


class RequestIdMiddleware:
    """Takes the client's `X-Request-Id` where it is harmless, makes one otherwise, and returns it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(HEADER, "")
        request_id = offered if _ACCEPTED.fullmatch(offered) else uuid.uuid4().hex

        def identify(headers: MutableHeaders) -> None:
            headers[HEADER] = request_id

        with identified(request_id):
            await self._app(scope, receive, editing_headers(send, identify))
