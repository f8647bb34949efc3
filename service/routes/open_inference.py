"""The Open Inference Protocol v2: /v2, its health, its models, and inference."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from service.deadline import Deadline
from service.errors import Invalid, NotFound, NotReady
from service.images.body import BodyForm
from service.images.inflate import ENCODINGS
from service.images.served_image import ServedImage
from service.models.served_model import ServedModel
from service.open_inference.answer import write_answer
from service.open_inference.framing import HEADER, Message, read_message
from service.open_inference.images import read_image_tensor
from service.open_inference.metadata import model_metadata, server_metadata
from service.open_inference.schemas import (
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from service.problems import describe_open_inference
from service.routes import runtime_of
from service.routes.deadline import answer_body, deadline_of, in_time
from service.routes.images import IMAGE_ERRORS
from service.routes.infer_parameters import read_parameters
from service.routes.openapi import inline_schema
from service.routes.queries import NoQuery, TimeoutMs
from service.runtime import Runtime
from service.use_cases import find

router = APIRouter(prefix="/v2", tags=["open inference protocol"])

BINARY_TYPE = "application/octet-stream"
# Triton's client says nothing about what it sends.
_FORM = BodyForm(("application/json", BINARY_TYPE, ""), ENCODINGS)
_RETRY_AFTER_S = 5
_WHITE_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAHLCMmQAAAABJRU5ErkJggg=="

Name = Annotated[str, Path(description="The model's name", examples=["mnist"])]
Version = Annotated[str, Path(description="A loaded version, or an alias of one", examples=["1"])]
Nothing = Annotated[NoQuery, Query()]
JsonLength = Annotated[
    int | None, Header(alias=HEADER, ge=0, description="Bytes of JSON, where binary data follows them")
]


async def _model(request: Request, name: Name) -> ServedModel:
    return runtime_of(request).loaded(name, None)


async def _version(request: Request, name: Name, version: Version) -> ServedModel:
    return runtime_of(request).loaded(name, version)


@router.get("", responses=describe_open_inference(Invalid), summary="Describes the server")
@router.get("/", include_in_schema=False)
async def server(_: Nothing) -> ServerMetadata:
    """The server's name and version, and the extensions of the protocol that it knows."""
    return server_metadata()


@router.get("/health/live", summary="Says that the process lives")
async def live() -> ServerLive:
    """The process lives and its event loop runs."""
    return ServerLive()


@router.get("/health/ready", responses=describe_open_inference(NotReady), summary="Says whether work can be sent here")
async def ready(request: Request) -> ServerReady:
    """As /readyz says."""
    _check_ready(runtime_of(request))
    return ServerReady()


def _add_routes_of(path: str, find: Callable[..., Awaitable[ServedModel]], *, whose: str) -> None:
    """Adds the routes at `path` that tell of the loaded model that `find` finds there."""
    answers = describe_open_inference(NotFound, Invalid, NotReady)
    Found = Annotated[ServedModel, Depends(find)]

    @router.get(path, responses=answers, summary=f"Describes the inputs and outputs of {whose}")
    async def describe_model(request: Request, model: Found, _: Nothing) -> ModelMetadata:
        """The input, the outputs, and the versions that requests may name."""
        return _metadata(runtime_of(request), model)

    @router.get(f"{path}/ready", responses=answers, summary=f"Says whether {whose} takes work")
    async def model_ready(request: Request, model: Found, _: Nothing) -> ModelReady:
        """It is loaded, and the server is ready."""
        _check_ready(runtime_of(request))
        return ModelReady(name=model.name)


_add_routes_of("/models/{name}", _model, whose="a model")
_add_routes_of("/models/{name}/versions/{version}", _version, whose="a model's version")


def _infer_description() -> dict[str, Any]:
    request = inline_schema(InferRequest)
    binary = {"schema": {"type": "string", "format": "binary"}}
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [_WHITE_PNG]}
    example = {"id": "42", "inputs": [image], "outputs": [{"name": "prediction"}]}
    found = {"name": "prediction", "datatype": "INT64", "shape": [1], "data": [1]}
    envelope = {"model_name": "mnist", "model_version": "1", "id": "42", "parameters": {"classifier": "latent"}}
    answer = {"example": envelope | {"outputs": [found]}}
    return {
        "response_model": InferResponse,
        "responses": {
            200: {
                "content": {"application/json": answer, BINARY_TYPE: binary},
                "headers": {HEADER: {"schema": {"type": "integer"}}},
            },
            **describe_open_inference(*IMAGE_ERRORS),
        },
        "openapi_extra": {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": request, "example": example}, BINARY_TYPE: binary},
            }
        },
    }


@router.post("/models/{name}/infer", summary="Classifies images", **_infer_description())
async def infer(
    request: Request, name: Name, _: Nothing, json_length: JsonLength = None, timeout_ms: TimeoutMs = None
) -> Response:
    """The outputs that the request names, of every image: its class, the class's label, the classes' scores, and the
    certified radius."""
    return await _infer(request, runtime_of(request).model(name, None), json_length, timeout_ms)


@router.post("/models/{name}/versions/{version}/infer", summary="Classifies images", **_infer_description())
async def infer_by_version(
    request: Request,
    name: Name,
    version: Version,
    _: Nothing,
    json_length: JsonLength = None,
    timeout_ms: TimeoutMs = None,
) -> Response:
    """The same of one version."""
    return await _infer(request, runtime_of(request).model(name, version), json_length, timeout_ms)


async def _infer(request: Request, model: ServedModel, json_length: int | None, timeout_ms: int | None) -> Response:
    runtime = runtime_of(request)
    deadline = deadline_of(runtime.settings, timeout_ms)

    async def work(body: bytes) -> Response:
        message = await runtime.aside(partial(read_message, body, json_length=json_length))
        return await _answer(runtime, model, message, deadline)

    return await answer_body(request, runtime, work, deadline=deadline, form=_FORM)


async def _answer(runtime: Runtime, model: ServedModel, message: Message, deadline: Deadline) -> Response:
    sent = message.request
    if sent.model_name not in (None, model.name):
        raise Invalid(f"model_name: expected {model.name!r} as in the path, got {str(sent.model_name)[:40]!r}")
    asked = read_parameters(sent, model)
    if asked.timeout_s is not None:
        deadline = min(deadline, Deadline.after(asked.timeout_s))
    read = partial(_read_images, runtime, model, message)
    found = await in_time(find(runtime, model, read, choice=asked.choice, deadline=deadline), deadline)
    write = partial(write_answer, model, found, choice=asked.choice, wanted=asked.wanted, request_id=sent.id)
    body, length = await runtime.aside(write)
    if length is None:
        return Response(body, media_type="application/json")
    return Response(body, media_type=BINARY_TYPE, headers={HEADER: str(length)})


async def _read_images(runtime: Runtime, model: ServedModel, message: Message) -> list[ServedImage]:
    limit = runtime.settings.max_images
    read = partial(read_image_tensor, message.image, message.source, shape=model.shape, max_images=limit)
    images = await runtime.aside(read)
    return images.ready or await runtime.read_sources(images.encoded, model)


def _metadata(runtime: Runtime, model: ServedModel) -> ModelMetadata:
    return model_metadata(model, [other.version for other in runtime.catalogue if other.name == model.name])


def _check_ready(runtime: Runtime) -> None:
    reason = runtime.unready_because()
    if reason is not None:
        raise NotReady(reason, retry_after=_RETRY_AFTER_S)
