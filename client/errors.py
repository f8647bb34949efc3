"""What can go wrong between a call and its answer.

    call -----> request ------> server -----------> answer
       BadImage    ConnectionFailed  Problem           UnexpectedAnswer
                   TimedOut          (by its status)   ModelReplaced

A `Problem` is what the server says (RFC 9457); its classes are the statuses of docs/api.md.
"""

# ruff: noqa: N818 -- the names read as what happened; the base class says that they are errors.

import httpx
from pydantic import BaseModel, ValidationError

from client.retry_after import retry_after_s

_TYPE_PREFIX = "urn:eabs:problem:"
_SHOWN = 200


class EABSError(Exception):
    """Any failure of a call. `request_id` is what the server's log has it under, None if it was never sent."""

    def __init__(self, detail: str, *, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id


class BadImage(EABSError, ValueError):
    """Something that cannot be sent as an image."""


class ConnectionFailed(EABSError):
    """No connection, or one that broke before the answer was there."""


class TimedOut(EABSError):
    """No answer in the time that the call had."""


class UnexpectedAnswer(EABSError):
    """An answer that is none of this server's, or of a version that this client does not know."""


class ModelReplaced(EABSError):
    """The server's model was replaced between two requests of one call: the results are not of one model."""


class Problem(EABSError):
    """The server answered with an error.

    status: of HTTP.
    kind: which error, the end of the problem's type: `queue-full`, `invalid`; "" where somebody else answered.
    detail: what was expected and what came.
    retry_after: when to come again, in s from the answer; None where it does not say.
    """

    def __init__(
        self, detail: str, *, status: int, kind: str, request_id: str | None, retry_after: float | None
    ) -> None:
        super().__init__(detail, request_id=request_id)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.status} {self.kind}: {self.detail}" if self.kind else f"{self.status}: {self.detail}"


class Malformed(Problem):
    """400: malformed JSON, base64 or multipart, or a truncated image."""


class Unauthorised(Problem):
    """401: no API key, or one that the server does not know."""


class Forbidden(Problem):
    """403: a key without the scope that this needs."""


class NotFound(Problem):
    """404: no such model, version or `image_id`."""


class TooLarge(Problem):
    """413: too many bytes, pixels or images."""


class Unsupported(Problem):
    """415: no PNG, JPEG or WebP, or an animated one."""


class Unprocessable(Problem):
    """422: a wrong shape, NaN, out of range, or options that do not fit together."""


class Overloaded(Problem):
    """429: the queue is full, or this caller sends too much."""


class Unavailable(Problem):
    """503: not ready, draining, out of memory, or without its store."""


class DeadlinePassed(Problem):
    """504: the request's time was over before the server had its answer."""


class ServerFailed(Problem):
    """500, and whatever else a server or a proxy fails with."""


class _ProblemDocument(BaseModel):
    type: str
    status: int
    detail: str
    request_id: str | None = None


_BY_STATUS: dict[int, type[Problem]] = {
    400: Malformed,
    401: Unauthorised,
    403: Forbidden,
    404: NotFound,
    413: TooLarge,
    415: Unsupported,
    422: Unprocessable,
    429: Overloaded,
    503: Unavailable,
    504: DeadlinePassed,
}


def problem_of(response: httpx.Response, *, request_id: str) -> Problem:
    """The error that an answer of any other status than 2xx stands for."""
    status = response.status_code
    form = _BY_STATUS.get(status, ServerFailed if status >= httpx.codes.INTERNAL_SERVER_ERROR else Problem)
    try:
        document = _ProblemDocument.model_validate_json(response.content)
    except ValidationError:
        # A proxy between here and the server.
        kind, detail = "", f"{response.reason_phrase}: {response.text[:_SHOWN]}"
    else:
        kind, detail = document.type.removeprefix(_TYPE_PREFIX), document.detail
    return form(
        detail,
        status=status,
        kind=kind,
        request_id=response.headers.get("X-Request-Id", request_id),
        retry_after=retry_after_s(response.headers),
    )
