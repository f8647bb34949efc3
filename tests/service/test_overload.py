"""A small server with too much to do: it refuses, gives up in time, and notices who has left."""

import asyncio
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from service.settings import Settings
from tests.service.api import expect_it_still_classifies, expect_problem, gauge, post_form
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

# More work than can wait, as requests of four images.
MANY = 60


@pytest.fixture(scope="module")
def small(slow_settings: Settings) -> Iterator[RunningServer]:
    changes = {"max_queue": 4, "max_images": 4}
    with RunningServer(slow_settings.model_copy(update=changes)) as running:
        yield running


@pytest.fixture
def small_client(small: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=small.url, timeout=60) as client:
        yield client


def settle(client: httpx.Client) -> None:
    """Returns when the engine has finished what it began for clients that are gone."""
    while gauge(client, "eabs_queue_depth") > 0:
        time.sleep(0.05)


def test_too_many_images_are_refused_or_given_up_and_the_server_goes_on(small: RunningServer) -> None:
    async def flood() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=small.url, timeout=60, limits=httpx.Limits(max_connections=None)) as many:
            requests = [
                many.post(
                    "/classify",
                    params={"effort": "thorough"},
                    headers={"X-Request-Timeout-Ms": "1000"},
                    files=[("image", random_png(1000 + 4 * index + part)) for part in range(4)],
                )
                for index in range(MANY)
            ]
            return await asyncio.gather(*requests)

    answers = asyncio.run(flood())
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 429, 504}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    for answer in refused:
        expect_problem(answer, 429, "at most 4 waiting images")
        assert int(answer.headers["retry-after"]) >= 1
    with httpx.Client(base_url=small.url, timeout=60) as client:
        expect_it_still_classifies(client)


def test_an_answer_that_takes_too_long_is_given_up(slow_settings: Settings) -> None:
    changes = {"request_timeout_s": 0.02}
    with (
        RunningServer(slow_settings.model_copy(update=changes)) as hasty,
        httpx.Client(base_url=hasty.url, timeout=60) as client,
    ):
        files = [random_png(seed) for seed in range(20)]
        expect_problem(post_form(client, "/classify", *files, effort="thorough"), 504, "within 0.02 s")
        settle(client)


def test_a_client_may_ask_for_less_time_than_the_server_allows(small_client: httpx.Client) -> None:
    hasty = {"X-Request-Timeout-Ms": "20"}
    files = [("image", random_png(seed)) for seed in range(600, 604)]
    response = small_client.post("/classify", files=files, params={"effort": "thorough"}, headers=hasty)
    expect_problem(response, 504, "within 0.02 s")
    settle(small_client)


@pytest.mark.parametrize("wrong", ["0", "-5", "soon"])
def test_a_time_that_is_none_is_refused(small_client: httpx.Client, wrong: str) -> None:
    headers = {"Content-Type": "image/png", "X-Request-Timeout-Ms": wrong}
    expect_problem(
        small_client.post("/classify", content=random_png(610), headers=headers), 422, "X-Request-Timeout-Ms"
    )


def test_a_client_that_sends_too_slowly_is_given_up(small: RunningServer) -> None:
    head = (
        b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n"
        b"X-Request-Timeout-Ms: 200\r\n\r\nslow"
    )
    with socket.create_connection(("127.0.0.1", small.settings.port)) as slow:
        slow.sendall(head)
        assert slow.recv(1000).startswith(b"HTTP/1.1 504")


def test_a_client_that_hangs_up_is_counted_and_its_images_are_dropped(
    small: RunningServer, small_client: httpx.Client
) -> None:
    body = random_png(5000)
    head = (
        f"POST /classify?effort=thorough HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: {len(body)}"
    )
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", small.settings.port)) as hasty:
            hasty.sendall(head.encode() + b"\r\n\r\n" + body)
    while 'eabs_rejected_total{reason="client-gone"}' not in small_client.get("/metrics").text:
        time.sleep(0.05)
    expect_it_still_classifies(small_client)
