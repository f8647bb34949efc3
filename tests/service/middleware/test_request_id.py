import asyncio
import re

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from service.middleware.request_id import RequestIdMiddleware


@pytest.mark.parametrize("offered", ["a", "A-1_b.c", "x" * 64])
def test_a_harmless_identity_is_kept(client: httpx.Client, offered: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": offered}).headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", 'a"b', "é", "a/../b"])
def test_any_other_is_replaced(client: httpx.Client, offered: str) -> None:
    headers = {"X-Request-Id": offered.encode("latin-1")}
    given = client.get("/healthz", headers=headers).headers["x-request-id"]
    assert given != offered
    assert len(given) == 32


def test_every_request_has_its_own(client: httpx.Client) -> None:
    assert len({client.get("/healthz").headers["x-request-id"] for _ in range(5)}) == 5


def test_answers_carry_it_in_their_body(client: httpx.Client) -> None:
    answer = client.get("/nope", headers={"X-Request-Id": "mine"})
    assert answer.json()["request_id"] == "mine"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-request-id", b"a\r\nSet-Cookie: b=c")],
        [(b"x-request-id", b"a\n")],
        [(b"x-request-id", b"\xff\xfe")],
        [(b"x-request-id", "１２".encode())],
        [(b"x-request-id", b"x" * 100_000)],
    ],
)
def test_bytes_that_no_parser_should_have_let_through_are_replaced(headers: list[tuple[bytes, bytes]]) -> None:
    sent: list[Message] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(RequestIdMiddleware(app)({"type": "http", "headers": headers}, receive, send))
    ((name, value),) = sent[0]["headers"]
    assert name == b"x-request-id"
    assert re.fullmatch(rb"[0-9a-f]{32}", value)
