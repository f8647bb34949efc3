"""The one place where errors become HTTP.

The native routes answer with RFC 9457 `application/problem+json`, the paths of the Open Inference Protocol with the
`{"error": "..."}` that it demands, whoever found the error: a route, a middleware, or the routing itself.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPMethod, HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match

from model_store import InvalidName, StoreUnreachable, UnknownModel, UnknownVersion
from service.errors import ClientGone, Invalid, NotFound, ServiceError, StoreDown
from service.middleware.request_id import current_request_id
from service.telemetry.request_record import current_record

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_OPEN_INFERENCE = "/v2"
_TYPE_PREFIX = "urn:eabs:problem:"


class Problem(BaseModel):
    """An error as RFC 9457 has it."""

    type: str = Field(examples=[f"{_TYPE_PREFIX}invalid"])
    title: str = Field(examples=["The request cannot be processed"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["images[0].pixels: expected shape (1, 28, 28), got (28, 27)"])
    request_id: str = Field(examples=["5f0c9d7e0c5b4c0f8a3b7d1e2f4a6b8c"])


class OpenInferenceError(BaseModel):
    """An error as the Open Inference Protocol has it."""

    error: str = Field(examples=["image: expected shape [B, 1, 28, 28], got [28, 28]"])


def error_response(path: str, error: ServiceError) -> Response:
    """The HTTP answer to an error, in the form that clients of this path expect; for middleware too.

    Args:
        path: the request's, `scope["path"]`.
        error: its status and headers are the answer's.
    """
    return _response(path, error.status, error.kind, error.title, error.detail, error.headers)


def internal_error(path: str) -> Response:
    """The HTTP answer to an error that nobody expected; its cause stays in the log."""
    detail = "An unexpected error occurred; the server's log has it under this request id."
    return error_response(path, ServiceError(detail))


def describe(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the errors that a route may answer with: for each status, its problems' kinds."""
    return _describe(errors, MEDIA_TYPE, Problem)


def describe_open_inference(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The same of a route of the Open Inference Protocol."""
    return _describe(errors, "application/json", OpenInferenceError)


def _describe(
    errors: Iterable[type[ServiceError]], media_type: str, form: type[BaseModel]
) -> dict[int | str, dict[str, Any]]:
    kinds: dict[int, list[str]] = {}
    for error in errors:
        kinds.setdefault(error.status, []).append(f"`{error.kind}`: {error.title}")
    return {
        status: {"description": "; ".join(of_status), "content": {media_type: {"schema": form.model_json_schema()}}}
        for status, of_status in sorted(kinds.items())
    }


def is_open_inference(path: str) -> bool:
    """Whether a path belongs to the Open Inference Protocol."""
    return path == _OPEN_INFERENCE or path.startswith(f"{_OPEN_INFERENCE}/")


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every error of `app` a problem, those of routing and validation too."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(UnknownModel, _on_missing_model)
    app.add_exception_handler(UnknownVersion, _on_missing_model)
    app.add_exception_handler(InvalidName, _on_missing_model)
    app.add_exception_handler(StoreUnreachable, _on_unreachable_store)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_client_disconnect)


def _response(
    path: str, status: int, kind: str, title: str, detail: str, headers: Mapping[str, str] | None
) -> Response:
    current_record().error = kind
    if is_open_inference(path):
        error = OpenInferenceError(error=detail)
        return Response(error.model_dump_json(), status, dict(headers or {}), "application/json")
    problem = Problem(
        type=_TYPE_PREFIX + kind, title=title, status=status, detail=detail, request_id=current_request_id()
    )
    return Response(problem.model_dump_json(), status, dict(headers or {}), MEDIA_TYPE)


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101 - starlette dispatches by this type
    return error_response(request.scope["path"], error)


async def _on_missing_model(request: Request, _: Exception) -> Response:
    # The store's own message names its folder, which is no client's business.
    path = request.scope["path"]
    return error_response(path, NotFound(f"{path}: expected a model of the store (see /models), got another name"))


async def _on_unreachable_store(request: Request, error: Exception) -> Response:
    logger.warning("%s", error)
    # Where the store lies is no client's business either.
    return error_response(request.scope["path"], StoreDown("the model store does not answer", retry_after=10))


async def _on_client_disconnect(request: Request, _: Exception) -> Response:
    return error_response(request.scope["path"], ClientGone("The client hung up before its request was complete."))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - starlette dispatches by this type
    status = HTTPStatus(error.status_code)
    path = request.scope["path"]
    detail = f"{request.method} {path}: {error.detail}"
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = _allowed_methods(request)
        detail += f"; expected {headers['Allow']}"
    kind = status.phrase.lower().replace(" ", "-")
    return _response(path, error.status_code, kind, status.phrase, detail, headers)


def _allowed_methods(request: Request) -> str:
    """The methods of every route of this path; starlette's own answer knows those of the first one alone."""
    return ", ".join(
        method
        for method in HTTPMethod
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    )


async def _on_invalid_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - starlette dispatches by this type
    detail = describe_validation(error.errors())
    return error_response(request.scope["path"], Invalid(detail))


def describe_validation(errors: Sequence[Any], *, limit: int = 5) -> str:
    """One line of what pydantic found: where, what was expected, what came."""
    lines = [_describe_one(error) for error in errors[:limit]]
    if len(errors) > limit:
        lines.append(f"and {len(errors) - limit} more")
    return "; ".join(lines)


def _describe_one(error: Mapping[str, Any]) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("value_error", "missing", "extra_forbidden"):
        return f"{where}: {message}" if where else message
    return f"{where}: {message}, got {_short(error.get('input'))}"


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
