"""What can go wrong between a request and its answer, drawn as a flow.

    request ------> body ------> images ---------> queue ---------> answer
       Unsupported    TooLarge      Malformed         QueueFull        DeadlinePassed
       NotReady       ClientGone    Unsupported       NotReady         EngineFailed
                                    Invalid           NotFound         OutOfMemory
                                    TooLarge

    model's name -> store        version -> memory
       NotFound                     LoadFailed
       StoreDown

Each class carries the HTTP status and the title that `problems.py` answers with, and its docstring says when, in
docs/api.md too; `detail` names what was expected and what came.
"""

# ruff: noqa: N818 -- the names read as what happened; the base class says that they are errors.

from collections.abc import Mapping
from typing import ClassVar


class ServiceError(Exception):
    """Something that nobody expected; the log has it under the request's id."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "The server failed"

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})


class Malformed(ServiceError):
    """Bytes that cannot be read as what they claim to be: JSON, base64, multipart, gzip, a truncated image."""

    status = 400
    kind = "malformed"
    title = "The request is malformed"


class Unauthenticated(ServiceError):
    """No API key where the server asks for one, or one that nobody knows."""

    status = 401
    kind = "unauthenticated"
    title = "An API key is needed"

    def __init__(self, detail: str, *, error: str | None = None) -> None:
        challenge = 'Bearer realm="eabs"' + (f', error="{error}"' if error else "")
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class Forbidden(ServiceError):
    """A key without the scope that the route needs; models loaded or unloaded where no key may do that."""

    status = 403
    kind = "forbidden"
    title = "Not allowed"


class NotFound(ServiceError):
    """A model or version that is not loaded, an `image_id` that is not remembered."""

    status = 404
    kind = "not-found"
    title = "Not found"


class TooLarge(ServiceError):
    """Too many bytes, pixels or images; a file or a JSON document of too many parts."""

    status = 413
    kind = "too-large"
    title = "The request is too large"


class Unsupported(ServiceError):
    """Not a PNG, JPEG or WebP, or an animated one; another content type or encoding than the route takes."""

    status = 415
    kind = "unsupported-format"
    title = "The format is not supported"


class Invalid(ServiceError):
    """Readable, but nothing that can be asked: a wrong shape, NaN, a value out of range, an unknown parameter or field,
    parameters that do not go together, more samples than the time allows."""

    status = 422
    kind = "invalid"
    title = "The request cannot be processed"


class ClientGone(ServiceError):
    """The client hung up; nobody reads this answer, but the log and the metrics count it."""

    status = 499
    kind = "client-gone"
    title = "The client closed the connection"


class EngineFailed(ServiceError):
    """Inference raised, or answered something else than it was asked."""

    kind = "engine-failed"
    title = "Inference failed"


class LoadFailed(ServiceError):
    """A published version that cannot be served; what was served before still is."""

    kind = "load-failed"
    title = "The model could not be loaded"


class DeadlinePassed(ServiceError):
    """The answer was not there in time: the request's own (`X-Request-Timeout-Ms`), or the server's."""

    status = 504
    kind = "deadline-passed"
    title = "The deadline passed"


class _TryLater(ServiceError):
    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class QueueFull(_TryLater):
    """As many images wait as the server promised to hold, or as many bytes of bodies are in its memory."""

    status = 429
    kind = "queue-full"
    title = "Too many images are waiting"


class RateLimited(_TryLater):
    """More requests of one key, or address, than it may send."""

    status = 429
    kind = "rate-limited"
    title = "Too many requests"


class NotReady(_TryLater):
    """Models are still loading, the engine has failed, or the server is about to end."""

    status = 503
    kind = "not-ready"
    title = "The server is not ready"


class StoreDown(_TryLater):
    """The model store does not answer; what is in memory still does."""

    status = 503
    kind = "store-down"
    title = "The model store does not answer"


class OutOfMemory(_TryLater):
    """The device has no memory left for one image alone: the request is in order, and the shortage may pass."""

    status = 503
    kind = "out-of-memory"
    title = "The device has no memory left"
