"""What is known of a request when it ends: filled in where each fact is known, read by its log line and metrics."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class RequestRecord:
    """One request. `model` is name@version, `cached` how many of the `images` were answered from a cache, the times
    are in ms, `error` is the kind of problem that it was answered with."""

    model: str | None = None
    images: int | None = None
    cached: int | None = None
    queue_ms: float | None = None
    inference_ms: float | None = None
    error: str | None = None


_current: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)


def current_record() -> RequestRecord:
    """The record of the request that this code runs for; outside of one, a record that nobody reads."""
    return _current.get() or RequestRecord()


@contextmanager
def recording() -> Iterator[RequestRecord]:
    """Opens the record of a request, for this code and all that it calls or starts."""
    record = RequestRecord()
    token = _current.set(record)
    try:
        yield record
    finally:
        _current.reset(token)
