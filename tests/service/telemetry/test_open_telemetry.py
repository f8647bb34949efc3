"""What a collector receives over HTTP, and what becomes of the server where none answers."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.telemetry import open_telemetry
from service.telemetry.open_telemetry import export_by_otlp


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent; answers only while it is `awake`."""

    daemon_threads = True
    # The hanging request of a test is not waited for.
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, ExportTraceServiceRequest]] = []
        self.asked = threading.Event()
        self.awake = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.server.asked.set()
        self.server.awake.wait(60)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.awake.set()
            collector.shutdown()
            thread.join()


def test_spans_arrive_at_the_collector_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        collector.awake.set()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        tracer = export_by_otlp()
        with tracer.span("decode") as span:
            span.note(images=2)
        tracer.close()
        ((path, request),) = collector.received
    assert path == "/v1/traces"
    (resource_spans,) = request.resource_spans
    resource = {pair.key: pair.value.string_value for pair in resource_spans.resource.attributes}
    assert resource["service.name"] == "eabs-server"
    assert resource["deployment.environment"] == "test"
    ((sent,),) = [scope.spans for scope in resource_spans.scope_spans]
    assert sent.name == "decode"
    assert [(pair.key, pair.value.int_value) for pair in sent.attributes] == [("eabs.images", 2)]


def test_the_environment_may_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        collector.awake.set()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
        tracer = export_by_otlp()
        with tracer.span("decode"):
            pass
        tracer.close()
        ((_, request),) = collector.received
    resource = {pair.key: pair.value.string_value for pair in request.resource_spans[0].resource.attributes}
    assert resource["service.name"] == "mine"


def test_a_sampler_that_takes_nothing_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        collector.awake.set()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        tracer = export_by_otlp()
        with tracer.span("decode"):
            assert tracer.trace() is None
        tracer.close()
        assert collector.received == []


def test_a_collector_that_never_answers_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_telemetry, "_CLOSE_S", 0.05)
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracer = export_by_otlp()
        with tracer.span("decode"):
            pass
        tracer.close()
        assert collector.asked.wait(60)
        assert not collector.awake.is_set()
