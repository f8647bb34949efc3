"""What a browser is told of every answer: take it as what it says it is, and let no other page use it."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from service.middleware.answering import editing_headers

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# What comes from here only; images also from the page itself, which shows what a user picked. Text never becomes markup
# (Trusted Types, of which there are none).
_NOT_ELSEWHERE = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    f"{_NOT_ELSEWHERE}; require-trusted-types-for 'script'; trusted-types 'none'"
)
# FastAPI's documentation loads Swagger UI from a CDN, and starts it by a script of its own in the page.
_DOCS = "/docs"
_CDN = "https://cdn.jsdelivr.net"
_DOCS_POLICY = (
    f"default-src 'none'; script-src 'self' 'unsafe-inline' {_CDN}; style-src 'self' 'unsafe-inline' {_CDN}; "
    f"img-src 'self' data: blob:; connect-src 'self'; {_NOT_ELSEWHERE}"
)


class SecurityHeadersMiddleware:
    """Adds headers of security to every answer; nothing is stored unless a route says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        def secure(headers: MutableHeaders) -> None:
            headers.update(_EVERYWHERE)
            headers["Content-Security-Policy"] = _DOCS_POLICY if scope["path"] == _DOCS else _POLICY
            # Answers tell of somebody's images.
            headers.setdefault("Cache-Control", "no-store")

        await self._app(scope, receive, editing_headers(send, secure))
