"""GET and POST /certify."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.errors import Invalid, NotFound, TooLarge
from service.images.json_body import read_base64
from service.images.served_image import ServedImage
from service.models.served_model import ServedModel
from service.problems import describe
from service.routes import runtime_of
from service.routes.deadline import answer_body, answer_query, deadline_of
from service.routes.images import IMAGE_ERRORS, images_request_body, json_response
from service.routes.queries import CertifyOneQuery, CertifyQuery, TimeoutMs
from service.runtime import Runtime
from service.schemas import CertifyAnswer
from service.use_cases import certify

router = APIRouter(tags=["certification"])

MAX_QUERY_IMAGE_BYTES = 8 * 1024


@router.post(
    "/certify",
    response_model=CertifyAnswer,
    responses=describe(*IMAGE_ERRORS),
    openapi_extra=images_request_body(),
    summary="Certifies one or more images",
)
async def post_certify(
    request: Request, query: Annotated[CertifyQuery, Query()], timeout_ms: TimeoutMs = None
) -> Response:
    """For every image: the certified class, the radius within which it cannot change, and the rivals' bounds."""
    runtime = runtime_of(request)
    model = runtime.model(query.model, query.version)
    content_type = request.headers.get("content-type", "")
    deadline = deadline_of(runtime.settings, timeout_ms)

    async def work(body: bytes) -> CertifyAnswer:
        read = partial(runtime.read_images, body, content_type, model)
        return await certify(
            runtime, model, read, choice=query.choice(query.method), classifier=query.classifier, deadline=deadline
        )

    return json_response(await answer_body(request, runtime, work, deadline=deadline))


@router.get(
    "/certify",
    response_model=CertifyAnswer,
    responses=describe(*IMAGE_ERRORS),
    summary="Certifies one image, sent in the query or classified before",
)
async def get_certify(
    request: Request, query: Annotated[CertifyOneQuery, Query()], timeout_ms: TimeoutMs = None
) -> Response:
    """The certificate of the image `image_id`, while the server remembers it, or of the `image` in the query."""
    runtime = runtime_of(request)
    model = runtime.model(query.model, query.version)
    read = partial(_one_image, runtime, model, query)
    deadline = deadline_of(runtime.settings, timeout_ms)
    work = certify(
        runtime, model, read, choice=query.choice(query.method), classifier=query.classifier, deadline=deadline
    )
    return json_response(await answer_query(request, work, deadline=deadline))


async def _one_image(runtime: Runtime, model: ServedModel, query: CertifyOneQuery) -> list[ServedImage]:
    if query.image is not None:
        data = read_base64(query.image, where="image", altchars=b"-_")
        if len(data) > MAX_QUERY_IMAGE_BYTES:
            raise TooLarge(f"image: expected at most {MAX_QUERY_IMAGE_BYTES} bytes in a query, got {len(data)}")
        return await runtime.read_sources([data], model)
    image = await runtime.cache.image(query.image_id or "")
    if image is None:
        raise NotFound("image_id: expected an image classified a short while ago, got one that is not remembered")
    if image.pixels.shape != model.shape:
        raise Invalid(f"image_id: expected an image of shape {model.shape}, got {image.pixels.shape}")
    return [image]
