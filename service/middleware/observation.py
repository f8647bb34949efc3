"""Every request leaves one log line and one count, however it ends."""

import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ServiceError
from service.middleware.probes import PROBES
from service.problems import internal_error
from service.telemetry.metrics import Metrics
from service.telemetry.request_record import RequestRecord, recording
from service.telemetry.tracing import current_span

logger = logging.getLogger(__name__)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLIENT_GONE = 499


class ObservationMiddleware:
    """Times and counts requests, logs them, and turns an unexpected exception into a problem."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._in_flight: set[int] = set()
        metrics.watch(metrics.requests_in_flight, lambda: len(self._in_flight))

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

        with recording() as record:
            self._in_flight.add(id(scope))
            try:
                await self._app(scope, receive, watching_send)
            except Exception as error:
                logger.exception("an unexpected error")
                current_span().fail(error)
                record.error = ServiceError.kind
                if status:
                    raise
                await internal_error(scope["path"])(scope, receive, watching_send)
            finally:
                self._in_flight.discard(id(scope))
                self._record(scope, record, status or _CLIENT_GONE, time.perf_counter() - started)

    def _record(self, scope: Scope, record: RequestRecord, status: int, seconds: float) -> None:
        route, method = route_of(scope) or "unmatched", scope["method"] if scope["method"] in METHODS else "OTHER"
        if status >= 400 and record.error is None:
            record.error = "client-gone" if status == _CLIENT_GONE else f"http-{status}"
        # They would bury the requests that matter.
        quiet = route in PROBES
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if record.error is not None and not quiet:
            self._metrics.rejected.labels(record.error).inc()
        facts = asdict(record)
        current_span().note(**facts)
        fields = {
            "route": route,
            "method": method,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "key": scope.get("state", {}).get("key_name"),
            **facts,
        }
        logger.log(logging.DEBUG if quiet else logging.INFO, "%s %s %d", method, route, status, extra=fields)


def route_of(scope: Scope) -> str | None:
    """The template of the route that was taken, or that a refused request was on its way to, if any: a path is the
    client's, and there is no end of them."""
    taken: str | None = getattr(scope.get("route"), "path", None)
    if taken is not None:
        return taken
    state = getattr(scope.get("app"), "state", None)
    patterns: Mapping[str, re.Pattern[str]] = getattr(state, "route_patterns", {})
    return next((template for template, pattern in patterns.items() if pattern.match(scope["path"])), None)


def route_patterns(routers: Iterable[APIRouter]) -> dict[str, re.Pattern[str]]:
    """What the paths of each route look like, by its template; `route_of` finds them in the application's state."""
    templates = [route.path for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return {template: compile_path(template)[0] for template in templates}
