"""The tracer that speaks OpenTelemetry. Only `create_app` imports it, and only where tracing is on."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from service.telemetry.tracing import Fact, Span, Trace, Tracer

_NAME = "eabs-server"
_CLOSE_S = 3.0


def export_by_otlp() -> "OpenTelemetryTracer":
    """A tracer that sends spans by OTLP over HTTP. OpenTelemetry's own OTEL_* variables say where to, how many, and as
    which service; OTEL_SERVICE_NAME is eabs-server by default.

    Raises:
        ValueError: one of the variables is not what it should be.
    """
    named = {"service.name": _NAME, "service.version": version(_NAME)}
    resource = Resource.create({**named, **OTELResourceDetector().detect().attributes})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTracer(provider)


class OpenTelemetryTracer(Tracer):
    """Tells a provider of OpenTelemetry."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(_NAME, version(_NAME))

    @contextmanager
    def serve(self, headers: Mapping[str, str]) -> Iterator[Span]:
        caller = propagate.extract(headers, context=Context())
        with self._tracer.start_as_current_span("request", context=caller, kind=SpanKind.SERVER) as started:
            yield _Span(started)

    @contextmanager
    def span(self, name: str) -> Iterator[Span]:
        with self._tracer.start_as_current_span(name) as started:
            yield _Span(started)

    @contextmanager
    def batch(self, name: str, traces: Iterable[Trace]) -> Iterator[Span]:
        links = [Link(known.context) for known in traces if isinstance(known.context, SpanContext)]
        with self._tracer.start_as_current_span(name, context=Context(), links=links) as started:
            yield _Span(started)

    @contextmanager
    def record(self, name: str, start_ns: int, end_ns: int) -> Iterator[Span]:
        started = self._tracer.start_span(name, start_time=start_ns)
        try:
            yield _Span(started)
        finally:
            started.end(end_ns)

    def current(self) -> Span:
        return _Span(trace.get_current_span())

    def identity(self) -> tuple[str, str] | None:
        context = trace.get_current_span().get_span_context()
        return _identity(context) if context.is_valid else None

    def trace(self) -> Trace | None:
        context = trace.get_current_span().get_span_context()
        return Trace(self, _identity(context), context) if context.is_valid and context.trace_flags.sampled else None

    def close(self) -> None:
        # A collector that does not answer would hold up the end for ten seconds or more.
        ending = threading.Thread(target=self._provider.shutdown, name="tracing-end", daemon=True)
        ending.start()
        ending.join(_CLOSE_S)


def _identity(context: SpanContext) -> tuple[str, str]:
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


class _Span(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **facts: Fact) -> None:
        self.set({f"eabs.{name}": value for name, value in facts.items()})

    def set(self, attributes: Mapping[str, Fact]) -> None:
        self._span.set_attributes({name: value for name, value in attributes.items() if value is not None})

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error: BaseException | None = None) -> None:
        if error is not None:
            self._span.record_exception(error)
        self._span.set_status(Status(StatusCode.ERROR))
