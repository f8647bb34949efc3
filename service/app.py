"""The application: middleware, routes, and a life that begins with loading the models."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from service.middleware.authentication import AuthenticationMiddleware
from service.middleware.draining import DrainingMiddleware
from service.middleware.lingering import LingeringMiddleware
from service.middleware.observation import ObservationMiddleware, route_patterns
from service.middleware.pacing import PacingMiddleware
from service.middleware.probes import PROBES
from service.middleware.rate_limit import RateLimitMiddleware
from service.middleware.request_id import RequestIdMiddleware
from service.middleware.security_headers import SecurityHeadersMiddleware
from service.middleware.tracing import TracingMiddleware
from service.models.wishes import Wishes
from service.problems import install_problem_handlers
from service.routes import certify, classify, health, models, open_inference, repository, web
from service.routes.examples import with_examples
from service.runtime import Gate, Runtime
from service.security.exposure import is_open_to_others, load_keys
from service.security.openapi import with_security
from service.security.rate_limit import RateLimit
from service.settings import Settings
from service.telemetry.loop_lag import measure_loop_lag
from service.telemetry.tracing import Tracer

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Classifies small images robustly by analysis-by-synthesis: for every class, what is the best image that the class's
generator can make of this input? Answers with a score for each class, and with a certified L2 radius on demand.
Errors are RFC 9457 `application/problem+json`; those of the Open Inference Protocol, below /v2, have its own form.
"""


class _Application(FastAPI):
    """Its OpenAPI document knows of keys, and shows answers, too."""

    def openapi(self) -> dict[str, Any]:
        """The document, made when it is first asked for."""
        if self.openapi_schema is None:
            self.openapi_schema = with_examples(with_security(super().openapi()))
        return self.openapi_schema


def create_app(
    settings: Settings | None = None,
    *,
    gate: Gate = lambda: None,
    wishes: Wishes | None = None,
    tracer: Tracer | None = None,
) -> FastAPI:
    """An ASGI application; its models load in the background once it is started.

    Args:
        settings: by default those of the environment.
        gate: why /readyz says no although this process is ready; None where it says yes.
        wishes: what to serve, where other workers share it; by default what the settings say.
        tracer: who is told of every request; by default whom the settings say, if anybody. It is closed at the end.

    Raises:
        Exposed, InvalidKeys: as `load_keys` does.
        ValueError: the settings ask for what is not there, a device or the packages that traces need.
    """
    settings = settings or Settings()
    keys = load_keys(settings)
    runtime = Runtime(settings, gate=gate, wishes=wishes)
    tracer = tracer or _tracer_of(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if is_open_to_others(settings, keys):
            logger.warning("listening on %r without API keys: whoever reaches it may use it", settings.host)
        starting = asyncio.create_task(runtime.start(), name="start")
        lag = asyncio.create_task(measure_loop_lag(runtime.metrics.event_loop_lag_seconds), name="loop-lag")
        watching = asyncio.create_task(keys.watch(), name="keys")
        try:
            yield
        finally:
            for task in (starting, lag, watching):
                task.cancel()
            await asyncio.gather(starting, lag, watching, return_exceptions=True)
            await runtime.stop()
            if tracer is not None:
                await asyncio.to_thread(tracer.close)

    app = _Application(
        title="E-ABS server",
        version=version("eabs-server"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        # FastAPI's own spans and log records hold the query, and with it images; ours do not.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.runtime = runtime
    routers = [routes.router for routes in (classify, certify, models, open_inference, repository, health, web)]
    for router in routers:
        app.include_router(router)
    app.state.route_patterns = route_patterns(routers)
    install_problem_handlers(app)
    # The last one added is the outermost: every answer, a refusal too, carries its request's identity.
    app.add_middleware(PacingMiddleware, prompt=PROBES)
    if settings.rate_limit is not None:
        app.add_middleware(RateLimitMiddleware, limit=RateLimit(settings.rate_limit))
    app.add_middleware(AuthenticationMiddleware, keys=keys)
    app.add_middleware(ObservationMiddleware, metrics=runtime.metrics)
    app.add_middleware(LingeringMiddleware)
    app.add_middleware(DrainingMiddleware, is_draining=lambda: runtime.state == "draining")
    app.add_middleware(SecurityHeadersMiddleware)
    if tracer is not None:
        app.add_middleware(TracingMiddleware, tracer=tracer)
    app.add_middleware(RequestIdMiddleware)
    return app


def _tracer_of(settings: Settings) -> Tracer | None:
    if not settings.tracing:
        return None
    # Where nobody asks for traces, nothing of OpenTelemetry need be installed.
    try:
        from service.telemetry.open_telemetry import export_by_otlp  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"EABS_TRACING: expected what pip install 'eabs-server[tracing]' installs, got {error}"
        ) from error
    return export_by_otlp()
