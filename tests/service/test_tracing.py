"""Traces as a collector gets them: of real requests to a real server."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.settings import Settings
from service.telemetry.logs import JsonFormatter
from service.telemetry.open_telemetry import OpenTelemetryTracer
from tests.service.api import post_form, post_png, result
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

CALLER = {"traceparent": "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"}
TRACE = 0x0123456789ABCDEF0123456789ABCDEF

Spans = Callable[[str], Sequence[ReadableSpan]]


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def break_down() -> None:
    raise RuntimeError("broken")


@contextmanager
def tracing(settings: Settings, exporter: InMemorySpanExporter) -> Iterator[httpx.Client]:
    """A client of a server that tells the exporter of its spans."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    server = RunningServer(settings.model_copy(update={"models": "mnist"}), tracer=OpenTelemetryTracer(provider))
    app: FastAPI = server.app
    app.get("/broken")(break_down)
    with server as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def traced(settings: Settings, exporter: InMemorySpanExporter) -> Iterator[httpx.Client]:
    with tracing(settings, exporter) as client:
        yield client


def find_spans(exporter: InMemorySpanExporter, request_id: str) -> Sequence[ReadableSpan]:
    """All spans of the trace that the request with this identity belongs to, once the request's has ended."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        spans = exporter.get_finished_spans()
        for span in spans:
            if attributes(span).get("eabs.request_id") == request_id:
                assert span.context is not None
                trace_id = span.context.trace_id
                return [other for other in spans if other.context and other.context.trace_id == trace_id]
        time.sleep(0.01)
    raise TimeoutError(f"no span of {request_id}")


@pytest.fixture
def spans_of(exporter: InMemorySpanExporter) -> Spans:
    return partial(find_spans, exporter)


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (only,) = [span for span in spans if span.name == name]
    return only


def identified(answer: httpx.Response) -> str:
    request_id: str = answer.headers["x-request-id"]
    return request_id


def test_a_request_is_a_span_with_its_parts_below_it(traced: httpx.Client, spans_of: Spans) -> None:
    answer = post_form(traced, "/classify", random_png(8001), random_png(8002))
    assert answer.status_code == 200
    spans = spans_of(identified(answer))
    request = named(spans, "POST /classify")
    assert request.kind is SpanKind.SERVER
    assert request.parent is None
    parts = [span for span in spans if span is not request]
    assert sorted(span.name for span in parts) == [
        "cache get",
        "cache put",
        "cache put",
        "decode",
        "inference",
        "queue",
    ]
    for part in parts:
        assert part.parent is not None
        assert part.parent == request.context
        assert request.start_time is not None
        assert request.end_time is not None
        assert part.start_time is not None
        assert part.end_time is not None
        assert request.start_time <= part.start_time <= part.end_time <= request.end_time
    assert attributes(named(parts, "decode"))["eabs.images"] == 2
    assert attributes(named(parts, "cache get"))["eabs.hits"] == 0
    assert attributes(named(parts, "inference")) == {"eabs.job": "Classify", "eabs.images": 2}


def test_queue_and_inference_last_as_long_as_the_answer_says(traced: httpx.Client, spans_of: Spans) -> None:
    answer = post_png(traced, "/classify", random_png(8010), effort="thorough")
    timing = answer.json()["timing_ms"]
    spans = spans_of(identified(answer))
    for name in ("queue", "inference"):
        span = named(spans, name)
        assert span.start_time is not None
        assert span.end_time is not None
        assert (span.end_time - span.start_time) / 1e6 >= timing[name] - 1


def test_a_request_has_the_attributes_of_the_conventions_and_of_its_log_line(
    traced: httpx.Client, spans_of: Spans
) -> None:
    data = random_png(8020)
    post_png(traced, "/classify", data)
    answer = post_png(traced, "/classify", data)
    found = attributes(named(spans_of(identified(answer)), "POST /classify"))
    expected = {
        "http.request.method": "POST",
        "http.route": "/classify",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/classify",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.port": traced.base_url.port,
        "eabs.model": "mnist@1",
        "eabs.images": 1,
        "eabs.cached": 1,
    }
    assert expected.items() <= found.items()


def test_a_cached_answer_has_neither_queue_nor_inference(traced: httpx.Client, spans_of: Spans) -> None:
    data = random_png(8030)
    post_png(traced, "/classify", data)
    names = {span.name for span in spans_of(identified(post_png(traced, "/classify", data)))}
    assert names == {"POST /classify", "decode", "cache get", "cache put"}


def test_the_callers_trace_goes_on(traced: httpx.Client, spans_of: Spans) -> None:
    answer = traced.get("/models", headers=CALLER)
    request = named(spans_of(identified(answer)), "GET /models")
    assert request.context is not None
    assert request.context.trace_id == TRACE
    assert request.parent is not None
    assert request.parent.is_remote


@pytest.mark.parametrize("wrong", ["00-0-0-01", "é", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 10_000])
def test_a_caller_that_is_none_begins_a_new_trace(traced: httpx.Client, spans_of: Spans, wrong: str) -> None:
    answer = traced.get("/models", headers={"traceparent": wrong.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 200
    assert named(spans_of(identified(answer)), "GET /models").parent is None


def test_a_batch_is_linked_to_the_requests_that_it_serves(
    traced: httpx.Client, spans_of: Spans, exporter: InMemorySpanExporter
) -> None:
    answer = post_png(traced, "/classify", random_png(8040))
    request = named(spans_of(identified(answer)), "POST /classify")
    (batch,) = [
        span
        for span in exporter.get_finished_spans()
        if span.name == "batch" and any(link.context == request.context for link in span.links)
    ]
    assert batch.parent is None
    assert batch.context is not None
    assert request.context is not None
    assert batch.context.trace_id != request.context.trace_id
    assert attributes(batch) == {"eabs.job": "Classify", "eabs.images": 1}


def test_a_refusal_is_told_where_it_arose_and_is_no_failure_of_the_server(
    traced: httpx.Client, spans_of: Spans
) -> None:
    answer = traced.post("/classify", content=b"no image", headers={"Content-Type": "image/png"})
    spans = spans_of(identified(answer))
    decode, request = named(spans, "decode"), named(spans, "POST /classify")
    assert decode.status.status_code is StatusCode.ERROR
    (event,) = decode.events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "service.errors.Unsupported"
    assert request.status.status_code is StatusCode.UNSET
    assert attributes(request)["eabs.error"] == "unsupported-format"


def test_what_breaks_the_server_is_recorded(traced: httpx.Client, spans_of: Spans) -> None:
    answer = traced.get("/broken")
    assert answer.status_code == 500
    request = named(spans_of(identified(answer)), "GET /broken")
    assert request.status.status_code is StatusCode.ERROR
    assert attributes(request)["error.type"] == "500"
    (event,) = request.events
    assert event.attributes is not None
    assert event.attributes["exception.message"] == "broken"


def test_a_deadline_that_passes_is_recorded_where_it_passed(slow_settings: Settings) -> None:
    exporter = InMemorySpanExporter()
    # Time to read them all, and far too little to infer them.
    files = [("image", random_png(seed)) for seed in range(8100, 8164)]
    hasty = {"X-Request-Timeout-Ms": "500"}
    with tracing(slow_settings, exporter) as slow:
        answer = slow.post("/classify", files=files, params={"effort": "thorough"}, headers=hasty)
        assert answer.status_code == 504
        spans = find_spans(exporter, identified(answer))
    assert attributes(named(spans, "POST /classify"))["eabs.error"] == "deadline-passed"
    assert named(spans, "POST /classify").status.status_code is StatusCode.ERROR
    assert any(span.status.status_code is StatusCode.ERROR for span in spans if not span.name.startswith("POST"))


def test_an_image_in_a_query_is_in_no_span(traced: httpx.Client, spans_of: Spans) -> None:
    answer = traced.get("/certify", params={"image": "A" * 100, "method": "finite-bank"})
    assert "AAAA" not in "".join(span.to_json() for span in spans_of(identified(answer)))


def test_probes_and_scrapes_leave_no_span(
    traced: httpx.Client, spans_of: Spans, exporter: InMemorySpanExporter
) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        traced.get(path)
    spans_of(identified(traced.get("/models")))
    assert not {"GET /healthz", "GET /readyz", "GET /metrics"} & {span.name for span in exporter.get_finished_spans()}


def test_log_lines_name_the_trace(traced: httpx.Client, caplog: pytest.LogCaptureFixture, spans_of: Spans) -> None:
    caplog.set_level("INFO", logger="service")
    caplog.handler.setFormatter(JsonFormatter())
    answer = traced.get("/models", headers=CALLER)
    spans_of(identified(answer))
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    (line,) = [line for line in lines if line["request_id"] == identified(answer)]
    assert line["trace_id"] == CALLER["traceparent"].split("-")[1]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_nothing_is_imported_where_nobody_asks_for_traces() -> None:
    # FastAPI and redis import parts of OpenTelemetry for themselves.
    code = "import sys, service.app; service.app.create_app(); print(*sys.modules)"
    loaded = run(code, EABS_DEVICE="cpu").stdout.split()
    assert "service.telemetry.tracing" in loaded
    assert "service.telemetry.open_telemetry" not in loaded
    assert not [name for name in loaded if name.startswith("opentelemetry.exporter")]


def test_the_framework_tells_no_provider_of_its_own_what_a_query_holds() -> None:
    code = """
import asyncio, httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from service.app import create_app

async def ask():
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app()), base_url="http://test") as client:
        await client.get("/certify", params={"image": "AAAA"})

exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
asyncio.run(ask())
print([span.to_json() for span in exporter.get_finished_spans()])
"""
    asked = run(code, EABS_DEVICE="cpu")
    assert asked.stdout.strip() == "[]", asked.stderr


def test_who_asks_for_traces_without_the_packages_is_told_which() -> None:
    code = "import sys; sys.modules['opentelemetry.sdk'] = None; import service.app; service.app.create_app()"
    failed = run(code, EABS_DEVICE="cpu", EABS_TRACING="true")
    assert failed.returncode != 0
    assert "pip install 'eabs-server[tracing]'" in failed.stderr


def test_an_answer_is_the_same_with_and_without_traces(traced: httpx.Client, client: httpx.Client) -> None:
    data = random_png(8050)
    with_traces, without = (result(post_png(one, "/classify", data)) for one in (traced, client))
    assert with_traces["classes"] == without["classes"]
