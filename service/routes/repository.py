"""The model repository extension of the Open Inference Protocol: what is published, and loading and unloading it.

The bodies are read by hand: Triton's client sends them without a Content-Type.
"""

import asyncio
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store import InvalidName, ModelStoreError, UnknownModel, UnknownVersion
from service.errors import Invalid, LoadFailed, Malformed, NotFound, StoreDown, TooLarge
from service.models.reference import ModelReference
from service.problems import describe_open_inference, describe_validation
from service.routes import runtime_of
from service.routes.openapi import inline_schema
from service.runtime import Runtime

router = APIRouter(prefix="/v2/repository", tags=["open inference protocol"])

MAX_BODY_BYTES = 64 * 1024

Name = Annotated[str, Path(description="The model's name", examples=["mnist"])]
B = TypeVar("B", bound=BaseModel)


class IndexRequest(BaseModel):
    """The body of an index; it may be left out."""

    model_config = ConfigDict(strict=True)

    ready: bool = Field(False, description="Only what this server answers with")


class IndexEntry(BaseModel):
    """A published version, and whether this server answers with it."""

    name: str = Field(examples=["mnist"])
    version: str = Field(examples=["1"])
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = Field(description="Why it is unavailable, if it is", examples=[""])


class LoadParameters(BaseModel):
    """What of a model to load."""

    model_config = ConfigDict(extra="forbid")

    version: str | None = Field(None, description="A version, or an alias to follow; the store's choice if absent")


class LoadRequest(BaseModel):
    """The body of a load; it may be left out."""

    parameters: LoadParameters = LoadParameters()


def _request_body(schema: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": inline_schema(schema)}}}}


@router.post(
    "/index",
    responses=describe_open_inference(Malformed, Invalid, TooLarge, StoreDown),
    openapi_extra=_request_body(IndexRequest),
    summary="Lists every published version",
)
async def index(request: Request) -> list[IndexEntry]:
    """Every version of the store, and whether this server answers with it."""
    wanted = await _read(request, IndexRequest)
    entries = await asyncio.to_thread(_entries, runtime_of(request))
    return [entry for entry in entries if entry.state == "READY" or not wanted.ready]


@router.post(
    "/models/{name}/load",
    response_class=Response,
    responses=describe_open_inference(Malformed, NotFound, Invalid, TooLarge, LoadFailed),
    openapi_extra=_request_body(LoadRequest),
    summary="Loads a model, or brings it up to date",
)
async def load(request: Request, name: Name) -> Response:
    """Loads and warms what the store has now, and serves it from then on. What was served before answers until then,
    and goes on if this fails."""
    wanted = await _read(request, LoadRequest)
    keeper = runtime_of(request).keeper
    try:
        await keeper.load(ModelReference(name, wanted.parameters.version))
    except (InvalidName, UnknownModel, UnknownVersion):
        raise
    except (ModelStoreError, RuntimeError) as error:
        raise LoadFailed(f"{name}: {error}") from error
    return Response()


@router.post(
    "/models/{name}/unload",
    response_class=Response,
    responses=describe_open_inference(NotFound, Invalid),
    summary="Unloads a model",
)
async def unload(request: Request, name: Name) -> Response:
    """Serves no version of the model any more; requests under way are answered."""
    if not await runtime_of(request).keeper.unload(name):
        raise NotFound(f"model: expected one that is loaded, got {name[:64]!r}")
    return Response()


def _entries(runtime: Runtime) -> list[IndexEntry]:
    served = {(model.name, model.version) for model in runtime.catalogue}
    return [
        IndexEntry(name=name, version=version, state="READY", reason="")
        if (name, version) in served
        else IndexEntry(name=name, version=version, state="UNAVAILABLE", reason="unloaded")
        for name in runtime.store.names()
        for version in runtime.store.versions(name)
    ]


async def _read(request: Request, form: type[B]) -> B:
    """The JSON body, or the form's defaults where there is none.

    Raises:
        TooLarge, Malformed, Invalid.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"body: expected at most {MAX_BODY_BYTES} bytes, got more")
    try:
        return form.model_validate_json(bytes(body) or b"{}")
    except ValidationError as error:
        refusal = Malformed if error.errors()[0]["type"] == "json_invalid" else Invalid
        raise refusal(f"body: {describe_validation(error.errors(include_url=False))}") from error
