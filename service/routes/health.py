"""GET /healthz, /readyz and /metrics: what an orchestrator asks."""

import asyncio

from fastapi import APIRouter, Request, Response

from service.answers import identity_of_model
from service.errors import NotReady
from service.problems import describe
from service.routes import runtime_of
from service.schemas import Health, Readiness
from service.telemetry.metrics import CONTENT_TYPE

router = APIRouter(tags=["operation"])

_RETRY_AFTER_S = 5
_SCRAPED = """\
# HELP eabs_queue_depth Images waiting for inference
# TYPE eabs_queue_depth gauge
eabs_queue_depth 0.0
...
"""


@router.get("/healthz", summary="Says that the process lives")
async def healthz() -> Health:
    """The process lives and its event loop runs."""
    return Health()


@router.get("/readyz", responses=describe(NotReady), summary="Says whether work should be sent here")
async def readyz(request: Request) -> Readiness:
    """The models are loaded, each has answered a probe, the engine answers in time, and no shutdown is under way."""
    runtime = runtime_of(request)
    reason = runtime.unready_because()
    if reason is not None:
        raise NotReady(reason, retry_after=_RETRY_AFTER_S)
    return Readiness(models=[identity_of_model(model) for model in runtime.catalogue])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _SCRAPED}}}},
    summary="Tells Prometheus the metrics",
)
async def scrape(request: Request) -> Response:
    """Prometheus' text format."""
    metrics = runtime_of(request).metrics
    metrics.refresh()
    return Response(await asyncio.to_thread(metrics.render), media_type=CONTENT_TYPE)
