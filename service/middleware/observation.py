"""Every request leaves one log line and one count, however it ends."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import internal_error
from service.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REASONS = {
    400: "malformed",
    404: "not-found",
    413: "too-large",
    415: "unsupported-format",
    422: "invalid",
    429: "queue-full",
    499: "client-gone",
    500: "internal-error",
    503: "not-ready",
    504: "deadline-passed",
}
# Probes and scrapes come every few seconds and would bury the requests that matter.
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})


class ObservationMiddleware:
    """Times and counts requests, logs them, and turns an unexpected exception into a problem."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def watching_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watching_send)
        except Exception:
            logger.exception("an unexpected error")
            if status:
                raise
            await internal_error(scope["path"])(scope, receive, watching_send)
        finally:
            self._record(scope, status or 499, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = _route_of(scope), scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if status in _REASONS and route not in _QUIET_ROUTES:
            self._metrics.rejected.labels(_REASONS[status]).inc()
        level = logging.DEBUG if route in _QUIET_ROUTES else logging.INFO
        logger.log(
            level,
            "%s %s %d",
            method,
            route,
            status,
            extra={"route": route, "method": method, "status": status, "duration_ms": round(seconds * 1000, 2)},
        )


def _route_of(scope: Scope) -> str:
    """The route's template, not its path: a path is the client's, and there is no end of them."""
    return getattr(scope.get("route"), "path", None) or "unmatched"
