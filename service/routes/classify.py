"""POST /classify."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.problems import describe
from service.routes import runtime_of
from service.routes.deadline import answer_body, deadline_of
from service.routes.images import IMAGE_ERRORS, images_request_body, json_response
from service.routes.queries import ClassifyQuery, TimeoutMs
from service.schemas import ClassifyAnswer
from service.use_cases import classify

router = APIRouter(tags=["classification"])


@router.post(
    "/classify",
    response_model=ClassifyAnswer,
    responses=describe(*IMAGE_ERRORS),
    openapi_extra=images_request_body(),
    summary="Classifies one or more images",
)
async def post_classify(
    request: Request, query: Annotated[ClassifyQuery, Query()], timeout_ms: TimeoutMs = None
) -> Response:
    """For every image: a score for each class, the prediction, and a certificate where one is asked for."""
    runtime = runtime_of(request)
    model = runtime.model(query.model, query.version)
    content_type = request.headers.get("content-type", "")
    deadline = deadline_of(runtime.settings, timeout_ms)

    async def work(body: bytes) -> ClassifyAnswer:
        read = partial(runtime.read_images, body, content_type, model)
        return await classify(runtime, model, read, choice=query.classification(), deadline=deadline)

    return json_response(await answer_body(request, runtime, work, deadline=deadline))
