"""The application without a server: before its models are there, and when its code is wrong."""

import asyncio
import json
import logging

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from service.telemetry.logs import JsonFormatter
from tests.service.api import expect_problem
from tests.service.pictures import random_png

PNG = {"Content-Type": "image/png"}


def ask(app: FastAPI, method: str, path: str, **request: object) -> httpx.Response:
    """One request to an application that was never started."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **request)  # type: ignore[arg-type]

    return asyncio.run(send())


@pytest.fixture
def starting(settings: Settings) -> FastAPI:
    return create_app(settings)


def test_a_starting_server_lives_but_is_not_ready(starting: FastAPI) -> None:
    assert ask(starting, "GET", "/healthz").status_code == 200
    answer = ask(starting, "GET", "/readyz")
    expect_problem(answer, 503, "loading")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/classify", "/certify"])
def test_a_starting_server_takes_no_work(starting: FastAPI, path: str) -> None:
    answer = ask(starting, "POST", path, content=random_png(), headers=PNG)
    expect_problem(answer, 503, "loading")
    assert int(answer.headers["retry-after"]) > 0


def test_a_starting_server_lists_the_store(starting: FastAPI) -> None:
    models = ask(starting, "GET", "/models").json()["models"]
    assert [model["loaded"] for model in models] == [[], []]


def test_a_draining_server_is_not_ready_and_asks_its_clients_to_leave(starting: FastAPI) -> None:
    starting.state.runtime.announce_drain()
    answer = ask(starting, "GET", "/readyz")
    expect_problem(answer, 503, "about to end")
    assert answer.headers["connection"] == "close"


def test_an_unexpected_error_is_a_problem_that_tells_nothing_but_is_logged(
    starting: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    @starting.get("/broken")
    def broken() -> None:
        raise RuntimeError("a secret")

    answer = ask(starting, "GET", "/broken", headers={"X-Request-Id": "mine"})
    expect_problem(answer, 500)
    assert answer.json()["request_id"] == "mine"
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_every_request_leaves_a_line_that_a_machine_can_read(
    starting: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="service.middleware.observation")
    caplog.handler.setFormatter(JsonFormatter())
    ask(starting, "GET", "/models/nope/more", headers={"X-Request-Id": "mine"})
    line = json.loads(caplog.text)
    assert line["request_id"] == "mine"
    assert (line["route"], line["method"], line["status"]) == ("unmatched", "GET", 404)
    assert line["duration_ms"] >= 0


def test_the_openapi_description_names_bodies_answers_and_errors(starting: FastAPI) -> None:
    description = ask(starting, "GET", "/openapi.json").json()
    classify = description["paths"]["/classify"]["post"]
    assert set(classify["requestBody"]["content"]) == {
        "multipart/form-data",
        "application/json",
        "image/png",
        "image/jpeg",
        "image/webp",
    }
    statuses = {"200", "400", "401", "403", "404", "413", "415", "422", "429", "500", "503", "504"}
    assert statuses == set(classify["responses"])
    assert "application/problem+json" in classify["responses"]["429"]["content"]


def test_a_wrong_method_is_told_every_right_one(client: httpx.Client) -> None:
    answer = client.delete("/certify")
    expect_problem(answer, 405, "expected GET, POST")
    assert answer.headers["allow"] == "GET, POST"
