"""Shorthands of the tests' clients."""

from typing import Any

import httpx

from tests.service.pictures import random_png


def post_png(client: httpx.Client, path: str, data: bytes, **query: Any) -> httpx.Response:
    """Posts one PNG as the body."""
    return client.post(path, content=data, headers={"Content-Type": "image/png"}, params=query)


def post_form(client: httpx.Client, path: str, *files: bytes, **query: Any) -> httpx.Response:
    """Posts files as a form."""
    fields = [("image", (f"{index}.png", data, "image/png")) for index, data in enumerate(files)]
    return client.post(path, files=fields, params=query)


def result(answer: httpx.Response) -> dict[str, Any]:
    """The only result of an answer."""
    assert answer.status_code == 200, answer.text
    (only,) = answer.json()["results"]
    assert isinstance(only, dict)
    return only


def expect_problem(answer: httpx.Response, status: int, *words: str) -> None:
    """Checks that the answer is a problem of this status whose detail has these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id"}
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    for word in words:
        assert word in problem["detail"]


def expect_it_still_classifies(client: httpx.Client) -> None:
    """Checks that the server answers, and that nothing waits in it."""
    result(post_png(client, "/classify", random_png(12345)))
    assert gauge(client, "eabs_queue_depth") == 0


def gauge(client: httpx.Client, name: str) -> float:
    """A metric without labels."""
    lines = client.get("/metrics").text.splitlines()
    (value,) = [line.removeprefix(name) for line in lines if line.startswith(f"{name} ")]
    return float(value)
