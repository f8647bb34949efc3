"""What every request leaves behind: one line and its counts."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.middleware.observation import ObservationMiddleware
from service.telemetry.logs import JsonFormatter
from service.telemetry.metrics import Metrics
from tests.service.api import post_form, post_png, result
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

Lines = Callable[[str], dict[str, Any]]


@pytest.fixture
def line_of(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Finds the line of the request with this identity, which is written after its answer was sent."""
    caplog.set_level("INFO", logger="service")
    caplog.handler.setFormatter(JsonFormatter())

    def find(request_id: str) -> dict[str, Any]:
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            lines = [json.loads(line) for line in caplog.text.splitlines()]
            for line in lines:
                if line["request_id"] == request_id and line["logger"] == "service.middleware.observation":
                    return dict(line)
            time.sleep(0.01)
        raise TimeoutError(f"no line for {request_id}")

    yield find
    assert caplog.text == "" or all(json.loads(line) for line in caplog.text.splitlines())


@pytest.fixture
def read(server: RunningServer) -> Callable[..., float]:
    """Reads one of the server's samples; 0 where it has none yet."""

    def value(name: str, **labels: str) -> float:
        return server.app.state.runtime.metrics.registry.get_sample_value(name, labels) or 0.0

    return value


def test_the_line_of_an_answer_says_who_answered_what_and_how_long_it_took(
    client: httpx.Client, line_of: Lines
) -> None:
    client.headers["X-Request-Id"] = "first"
    answer = post_form(client, "/classify", random_png(7001), random_png(7002))
    line = line_of("first")
    timing = answer.json()["timing_ms"]
    assert line["model"] == "mnist@1"
    assert (line["images"], line["cached"]) == (2, 0)
    assert (line["queue_ms"], line["inference_ms"]) == (timing["queue"], timing["inference"])
    assert line["duration_ms"] >= line["inference_ms"] > 0
    assert (line["route"], line["method"], line["status"]) == ("/classify", "POST", 200)
    assert "error" not in line
    client.headers["X-Request-Id"] = "again"
    post_form(client, "/classify", random_png(7001), random_png(7003))
    assert line_of("again")["cached"] == 1
    del client.headers["X-Request-Id"]


def test_the_line_of_a_refusal_says_which(client: httpx.Client, line_of: Lines) -> None:
    headers = {"X-Request-Id": "refused", "Content-Type": "image/png"}
    client.post("/classify", content=b"no image", headers=headers)
    line = line_of("refused")
    assert (line["status"], line["error"]) == (415, "unsupported-format")
    assert "model" not in line


def test_who_answered_from_the_cache_has_inferred_nothing(client: httpx.Client, read: Callable[..., float]) -> None:
    data = random_png(7020)

    def work() -> tuple[float, ...]:
        return (
            read("eabs_batch_size_sum", task="Classify"),
            read("eabs_optimisation_steps_count", effort="standard"),
            read("eabs_images_optimised_total", effort="standard"),
        )

    before = work()
    result(post_png(client, "/classify", data, effort="standard"))
    once = work()
    assert [after - earlier for after, earlier in zip(once, before, strict=True)] == [1, 1, 1]
    assert result(post_png(client, "/classify", data, effort="standard"))["cached"]
    assert work() == once


def test_answers_are_counted_by_class_typicality_and_radius(client: httpx.Client, read: Callable[..., float]) -> None:
    def counts(label: str) -> tuple[float, ...]:
        return (
            read("eabs_predictions_total", model="mnist", label=label),
            read("eabs_typicality_sum", model="mnist", classifier="finite-bank"),
            read("eabs_certified_radius_count", kind="finite-bank"),
            read("eabs_certified_radius_sum", kind="finite-bank"),
        )

    query = {"classifier": "finite-bank", "certificate": "finite-bank"}
    data = random_png(7030)
    found = result(post_png(client, "/classify", data, **query))
    label = found["prediction"]["label"]
    before = counts(label)
    post_png(client, "/classify", data, **query)
    gained = [after - earlier for after, earlier in zip(counts(label), before, strict=True)]
    assert gained == pytest.approx([1, found["typicality"], 1, found["certificate"]["radius"]])


@pytest.mark.parametrize(
    ("path", "headers", "body", "reason"),
    [
        ("/classify", {"Content-Type": "text/plain"}, b"x", "unsupported-format"),
        ("/classify", {"Content-Type": "application/json"}, b"{", "malformed"),
        ("/classify?effort=none", {"Content-Type": "image/png"}, b"x", "invalid"),
        ("/classify?model=nope", {"Content-Type": "image/png"}, b"x", "not-found"),
        ("/nowhere", {}, b"", "not-found"),
        ("/models", {}, b"", "method-not-allowed"),
    ],
)
def test_refusals_are_counted_by_the_kind_of_their_problem(
    client: httpx.Client, read: Callable[..., float], path: str, headers: dict[str, str], body: bytes, reason: str
) -> None:
    before = read("eabs_rejected_total", reason=reason)
    answer = client.post(path, headers=headers, content=body)
    assert answer.json()["type"].endswith(f":{reason}")
    # The count follows the answer.
    give_up = time.monotonic() + 30
    while read("eabs_rejected_total", reason=reason) == before and time.monotonic() < give_up:
        time.sleep(0.01)
    assert read("eabs_rejected_total", reason=reason) == before + 1


def test_no_text_of_a_client_becomes_a_label(client: httpx.Client) -> None:
    headers = {"X-Request-Id": "marker-1", "User-Agent": "marker-2", "Content-Type": "image/marker-3"}
    client.request("MARKER", "/marker-4?model=marker-5", headers=headers)
    client.post("/classify?model=marker-6&effort=marker-7", headers=headers, content=b"marker-8")
    client.get("/models/marker-9", headers=headers)
    text = client.get("/metrics").text
    assert 'method="OTHER"' in text
    assert "marker" not in text.lower()


def test_a_request_that_ends_in_any_way_is_not_in_flight_any_more() -> None:
    metrics = Metrics()
    inside: list[float | None] = []

    def in_flight() -> float | None:
        metrics.refresh()
        return metrics.registry.get_sample_value("eabs_requests_in_flight")

    async def app(scope: Any, _: Any, __: Any) -> None:
        inside.append(in_flight())
        if scope["path"] == "/broken":
            raise RuntimeError("broken")
        await asyncio.Event().wait()

    async def send(_: Any) -> None:
        pass

    async def run() -> None:
        middleware = ObservationMiddleware(app, metrics)
        scopes = [{"type": "http", "method": "GET", "path": path} for path in ("/slow", "/broken")]
        slow, broken = [asyncio.create_task(middleware(scope, send, send)) for scope in scopes]  # type: ignore[arg-type]
        await broken
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)

    asyncio.run(run())
    assert inside == [1, 2]
    assert in_flight() == 0
    read = metrics.registry.get_sample_value
    assert read("eabs_rejected_total", {"reason": "internal-error"}) == 1
    assert read("eabs_rejected_total", {"reason": "client-gone"}) == 1


def test_a_request_that_was_refused_on_its_way_is_counted_for_the_route_that_it_wanted(
    client: httpx.Client, line_of: Lines, read: Callable[..., float]
) -> None:
    labels = {"route": "/v2/repository/models/{name}/load", "method": "POST", "status": "403"}
    before = read("eabs_requests_total", **labels)
    answer = client.post("/v2/repository/models/mnist/load", headers={"X-Request-Id": "on-its-way"})
    assert answer.status_code == 403
    assert line_of("on-its-way")["route"] == labels["route"]
    assert read("eabs_requests_total", **labels) == before + 1
