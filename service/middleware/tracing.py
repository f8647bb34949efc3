"""Every request is a span, in the words of OpenTelemetry's conventions for HTTP servers."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.middleware.observation import METHODS, route_of
from service.middleware.probes import PROBES
from service.middleware.request_id import current_request_id
from service.telemetry.tracing import Fact, Tracer, tracing_with

# A path is the client's: as long as it likes.
_LONGEST_TEXT = 256
_OTHER = "_OTHER"


class TracingMiddleware:
    """Opens the request's span, a part of the caller's where `traceparent` names one. The query stays out of it, which
    may hold an image. Probes and scrapes leave no span."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def watching_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers = Headers(scope=scope)
        with tracing_with(self._tracer), self._tracer.serve(headers) as span:
            span.set(_of_request(scope, headers))
            span.note(request_id=current_request_id())
            try:
                await self._app(scope, receive, watching_send)
            finally:
                method, route = _method_of(scope), route_of(scope)
                verb = "HTTP" if method == _OTHER else method
                span.rename(verb if route is None else f"{verb} {route}")
                span.set({"http.route": route, "http.response.status_code": status})
                if status is not None and status >= 500:
                    span.set({"error.type": str(status)})
                    span.fail()


def _of_request(scope: Scope, headers: Headers) -> dict[str, Fact]:
    client, server = scope.get("client"), scope.get("server")
    agent = headers.get("user-agent")
    return {
        "http.request.method": _method_of(scope),
        "url.scheme": scope["scheme"],
        "url.path": scope["path"][:_LONGEST_TEXT],
        "network.protocol.version": scope.get("http_version"),
        "client.address": client[0] if client else None,
        "server.address": server[0] if server else None,
        "server.port": server[1] if server else None,
        "user_agent.original": agent[:_LONGEST_TEXT] if agent else None,
    }


def _method_of(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else _OTHER
