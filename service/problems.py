"""The one place where errors become HTTP: RFC 9457 `application/problem+json`."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from model_store import InvalidName, UnknownModel, UnknownVersion
from service.errors import ClientGone, NotFound, ServiceError
from service.middleware.request_id import current_request_id

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:eabs:problem:"


class Problem(BaseModel):
    """An error as RFC 9457 has it."""

    type: str = Field(examples=[f"{_TYPE_PREFIX}invalid"])
    title: str = Field(examples=["The request cannot be processed"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["images[0].pixels: expected shape (1, 28, 28), got (28, 27)"])
    request_id: str = Field(examples=["5f0c9d7e0c5b4c0f8a3b7d1e2f4a6b8c"])


def problem_response(error: ServiceError) -> Response:
    """The HTTP answer to a `ServiceError`."""
    return _response(error.status, error.kind, error.title, error.detail, error.headers)


def internal_error() -> Response:
    """The HTTP answer to an error that nobody expected; its cause stays in the log."""
    return problem_response(
        ServiceError("An unexpected error occurred; the server's log has it under this request id.")
    )


def describe(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of the errors that a route may answer with."""
    titles: dict[int, str] = {error.status: error.title for error in errors}
    return {
        status: {"description": title, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
        for status, title in sorted(titles.items())
    }


def install_problem_handlers(app: FastAPI) -> None:
    """Makes every error of `app` a problem, those of routing and validation too."""
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(UnknownModel, _on_missing_model)
    app.add_exception_handler(UnknownVersion, _on_missing_model)
    app.add_exception_handler(InvalidName, _on_missing_model)
    app.add_exception_handler(RequestValidationError, _on_invalid_parameters)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_client_disconnect)


def _response(status: int, kind: str, title: str, detail: str, headers: Mapping[str, str] | None) -> Response:
    problem = Problem(
        type=_TYPE_PREFIX + kind, title=title, status=status, detail=detail, request_id=current_request_id()
    )
    return Response(problem.model_dump_json(), status, dict(headers or {}), MEDIA_TYPE)


async def _on_service_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101 - starlette dispatches by this type
    return problem_response(error)


async def _on_missing_model(request: Request, _: Exception) -> Response:
    # The store's own message names its folder, which is no client's business.
    return problem_response(
        NotFound(f"{request.url.path}: expected a model of the store (see /models), got another name")
    )


async def _on_client_disconnect(_: Request, __: Exception) -> Response:
    return problem_response(ClientGone("The client hung up before its request was complete."))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - starlette dispatches by this type
    status = HTTPStatus(error.status_code)
    detail = f"{request.method} {request.url.path}: {error.detail}"
    if status is HTTPStatus.METHOD_NOT_ALLOWED and error.headers:
        detail += f"; expected {error.headers.get('Allow', 'another method')}"
    kind = status.phrase.lower().replace(" ", "-")
    return _response(error.status_code, kind, status.phrase, detail, error.headers)


async def _on_invalid_parameters(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - starlette dispatches by this type
    detail = describe_validation(error.errors())
    return _response(422, "invalid", "The request cannot be processed", detail, None)


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
