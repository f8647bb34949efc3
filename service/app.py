"""The application: middleware, routes, and a life that begins with loading the models."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service.middleware.draining import DrainingMiddleware
from service.middleware.lingering import LingeringMiddleware
from service.middleware.observation import ObservationMiddleware
from service.middleware.request_id import RequestIdMiddleware
from service.problems import install_problem_handlers
from service.routes import certify, classify, health, models, open_inference, repository
from service.runtime import Gate, Runtime
from service.settings import Settings
from service.telemetry.loop_lag import measure_loop_lag

_DESCRIPTION = """\
Classifies small images robustly by analysis-by-synthesis: for every class, what is the best image that the class's
generator can make of this input? Answers with a score for each class, and with a certified L2 radius on demand.
Errors are RFC 9457 `application/problem+json`; those of the Open Inference Protocol, below /v2, have its own form.
"""


def create_app(settings: Settings | None = None, *, gate: Gate = lambda: None) -> FastAPI:
    """An ASGI application; its models load in the background once it is started.

    Args:
        settings: by default those of the environment.
        gate: why /readyz says no although this process is ready; None where it says yes.
    """
    runtime = Runtime(settings or Settings(), gate=gate)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        starting = asyncio.create_task(runtime.start(), name="start")
        lag = asyncio.create_task(measure_loop_lag(runtime.metrics.event_loop_lag_seconds), name="loop-lag")
        try:
            yield
        finally:
            for task in (starting, lag):
                task.cancel()
            await asyncio.gather(starting, lag, return_exceptions=True)
            await runtime.stop()

    app = FastAPI(title="E-ABS server", version=version("eabs-server"), description=_DESCRIPTION, lifespan=lifespan)
    app.state.runtime = runtime
    for routes in (classify, certify, models, open_inference, repository, health):
        app.include_router(routes.router)
    install_problem_handlers(app)
    # The last one added is the outermost: every answer, a refusal too, carries its request's identity.
    app.add_middleware(ObservationMiddleware, metrics=runtime.metrics)
    app.add_middleware(LingeringMiddleware)
    app.add_middleware(DrainingMiddleware, is_draining=lambda: runtime.state == "draining")
    app.add_middleware(RequestIdMiddleware)
    return app
