"""What the routes that take images share: their bodies and errors in OpenAPI, and their answers."""

from typing import Any

from fastapi import Response
from pydantic import BaseModel

from service.errors import (
    DeadlinePassed,
    EngineFailed,
    Invalid,
    Malformed,
    NotFound,
    NotReady,
    OutOfMemory,
    QueueFull,
    ServiceError,
    TooLarge,
    Unsupported,
)
from service.images.body import RAW_TYPES
from service.images.json_body import ImagesRequest

IMAGE_ERRORS: tuple[type[ServiceError], ...] = (
    Malformed,
    NotFound,
    TooLarge,
    Unsupported,
    Invalid,
    QueueFull,
    ServiceError,
    EngineFailed,
    NotReady,
    OutOfMemory,
    DeadlinePassed,
)
_BINARY = {"type": "string", "format": "binary"}


def images_request_body() -> dict[str, Any]:
    """The `openapi_extra` of a route that takes images; its body is read by hand, to bound it."""
    schema = ImagesRequest.model_json_schema()
    definitions = schema.pop("$defs")
    schema["properties"]["images"]["items"] = {"anyOf": list(definitions.values())}
    form = {
        "type": "object",
        "required": ["image"],
        "properties": {"image": {"type": "array", "items": _BINARY, "minItems": 1}},
    }
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": schema, "example": {"images": [{"data": "iVBORw0KGgo..."}]}},
    }
    content.update({media_type: {"schema": _BINARY} for media_type in RAW_TYPES})
    return {"requestBody": {"required": True, "content": content}}


def json_response(answer: BaseModel) -> Response:
    """An answer as JSON, without validating again what was built from valid parts."""
    return Response(answer.model_dump_json(), media_type="application/json")
