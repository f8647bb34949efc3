"""Spans of what a request goes through. Without a tracer, which is the default, nothing happens.

A request's tracer travels with its context, to the tasks and threads that work for it. So whoever has something to
tell calls `span` and knows of no tracer.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

Fact = str | int | float | bool | None
"""What a span can tell of; None is left out."""


class Span:
    """Something that takes time, told of while it lasts. This one tells nobody."""

    def note(self, **facts: Fact) -> None:
        """Adds facts of this service, `eabs.<name>`."""

    def set(self, attributes: Mapping[str, Fact]) -> None:
        """Adds attributes whose names are others' conventions."""

    def rename(self, name: str) -> None:
        """Gives the span the name that was not known at its start."""

    def fail(self, error: BaseException | None = None) -> None:
        """Says that it went wrong, and by which error where there is one to show."""


_SILENT = Span()


class Tracer(ABC):
    """Who is told of spans."""

    @abstractmethod
    def serve(self, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
        """The span of a request with these headers, which may name the caller's own span."""

    @abstractmethod
    def span(self, name: str) -> AbstractContextManager[Span]:
        """A part of the current span. An exception is recorded, and raised again."""

    @abstractmethod
    def batch(self, name: str, traces: Iterable["Trace"]) -> AbstractContextManager[Span]:
        """A span that is part of no request and linked to those that it works for."""

    @abstractmethod
    def record(self, name: str, start_ns: int, end_ns: int) -> AbstractContextManager[Span]:
        """A part of the current span that is over: from when to when, in ns since the epoch."""

    @abstractmethod
    def current(self) -> Span:
        """The span that this code runs in."""

    @abstractmethod
    def identity(self) -> tuple[str, str] | None:
        """The identities, in hexadecimal digits, of the current trace and span, if there is one."""

    @abstractmethod
    def trace(self) -> "Trace | None":
        """What another span can be linked to the current one by, if somebody keeps this one."""

    @abstractmethod
    def close(self) -> None:
        """Delivers what is left; blocks for a few seconds at most."""


@dataclass(frozen=True)
class Trace:
    """Where a span that another works for is found: its tracer, its identity, and the tracer's own way to name it."""

    tracer: Tracer
    identity: tuple[str, str]
    context: object = field(compare=False)


_current: ContextVar[Tracer | None] = ContextVar("tracer", default=None)


def span(name: str, **facts: Fact) -> AbstractContextManager[Span]:
    """The span of what happens within, a part of the current request's, where that is traced."""
    tracer = _current.get()
    return nullcontext(_SILENT) if tracer is None else _noted(tracer.span(name), facts)


def record_span(name: str, start_ns: int, end_ns: int, *, error: BaseException | None, **facts: Fact) -> None:
    """Tells of something that is over, from when to when in ns since the epoch, and the error that it ended with."""
    tracer = _current.get()
    if tracer is not None:
        with _noted(tracer.record(name, start_ns, end_ns), facts) as recorded:
            if error is not None:
                recorded.fail(error)


def batch_span(name: str, traces: Iterable[Trace], **facts: Fact) -> AbstractContextManager[Span]:
    """The span of work for several requests at once; nothing where none of them is traced."""
    traces = list(traces)
    return _linked(name, traces, facts) if traces else nullcontext(_SILENT)


def is_traced() -> bool:
    """Whether anybody is told of spans here."""
    return _current.get() is not None


def current_span() -> Span:
    """The span that this code runs in."""
    tracer = _current.get()
    return _SILENT if tracer is None else tracer.current()


def current_identity() -> tuple[str, str] | None:
    """The identities, in hexadecimal digits, of the current trace and span, if there is one."""
    tracer = _current.get()
    return None if tracer is None else tracer.identity()


def current_trace() -> Trace | None:
    """What work for this request, done elsewhere, is linked to it by."""
    tracer = _current.get()
    return None if tracer is None else tracer.trace()


@contextmanager
def tracing_with(tracer: Tracer) -> Iterator[None]:
    """Tells a tracer of all that is called or started within."""
    token = _current.set(tracer)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def _linked(name: str, traces: list[Trace], facts: Mapping[str, Fact]) -> Iterator[Span]:
    tracer = traces[0].tracer
    with tracing_with(tracer), _noted(tracer.batch(name, traces), facts) as linked:
        yield linked


@contextmanager
def _noted(opened: AbstractContextManager[Span], facts: Mapping[str, Fact]) -> Iterator[Span]:
    with opened as noted:
        noted.note(**facts)
        yield noted
