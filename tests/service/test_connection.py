"""Clients that are slow, many or silent, at a real server with short limits."""

import base64
import os
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from service.settings import Settings
from tests.service.running_server import RunningServer

MAX_CONNECTIONS = 20
GIVE_UP_S = 30


@pytest.fixture(scope="module")
def short(settings: Settings) -> Iterator[RunningServer]:
    changes = {
        "models": "mnist",
        "max_connections": MAX_CONNECTIONS,
        "header_timeout_s": 0.5,
        "request_timeout_s": 1.0,
    }
    with RunningServer(settings.model_copy(update=changes)) as running:
        yield running


def connect(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.settings.port), timeout=GIVE_UP_S)


def is_closed(connection: socket.socket) -> bool:
    """Waits until the server closes the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def rejected(server: RunningServer, reason: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    found = [line for line in lines if line.startswith(f'eabs_rejected_total{{reason="{reason}"}}')]
    return float(found[0].split()[1]) if found else 0.0


@pytest.mark.parametrize("start", [b"", b"G", b"POST /classify HTTP/1.1\r\nHost: a\r\nX-Slow: "])
def test_headers_that_do_not_come_end_the_connection(short: RunningServer, start: bytes) -> None:
    with connect(short) as connection:
        connection.sendall(start)
        assert is_closed(connection)


def test_headers_that_come_one_after_the_other_without_end_end_the_connection(short: RunningServer) -> None:
    def send_slowly() -> None:
        for _ in range(20 * GIVE_UP_S):
            connection.sendall(b"X: y\r\n")
            time.sleep(0.05)

    with connect(short) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(ConnectionError):
            send_slowly()


def test_a_second_request_on_a_connection_has_no_more_time(short: RunningServer) -> None:
    with connect(short) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /heal")
        assert is_closed(connection)


def test_an_idle_connection_is_kept_for_the_next_request(short: RunningServer) -> None:
    with httpx.Client(base_url=short.url) as client:
        assert client.get("/healthz").status_code == 200
        (pooled,) = client._transport._pool.connections  # type: ignore[attr-defined]
        time.sleep(4 * short.settings.header_timeout_s)
        assert client.get("/healthz").status_code == 200
        assert client._transport._pool.connections == [pooled]  # type: ignore[attr-defined]


def test_a_body_that_comes_slowly_ends_with_the_requests_deadline(short: RunningServer) -> None:
    with connect(short) as connection:
        connection.sendall(
            b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 9999\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 504")


def test_a_client_that_does_not_take_its_answer_is_left(short: RunningServer) -> None:
    before = rejected(short, "answer-not-taken")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", short.settings.port))
        # Answers, not read, until the operating system's buffers hold no more.
        connection.settimeout(1)
        give_up = time.monotonic() + GIVE_UP_S
        request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
        while rejected(short, "answer-not-taken") == before and time.monotonic() < give_up:
            try:
                connection.sendall(request)
            except (TimeoutError, ConnectionError):
                time.sleep(0.1)
    assert rejected(short, "answer-not-taken") == before + 1


def test_no_more_connections_are_open_than_allowed_and_the_next_are_served(short: RunningServer) -> None:
    before = rejected(short, "too-many-connections")
    crowd = [connect(short) for _ in range(2 * MAX_CONNECTIONS)]
    try:
        assert all(is_closed(connection) for connection in crowd), "those beyond at once, the others in time"
    finally:
        for connection in crowd:
            connection.close()
    assert rejected(short, "too-many-connections") >= before + MAX_CONNECTIONS


def test_no_connection_becomes_a_websocket(short: RunningServer) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    assert httpx.get(f"{short.url}/healthz", headers=upgrade).status_code == 200
