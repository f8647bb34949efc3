"""Requests that take as long as a test wants."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def connection(url: str) -> Iterator[socket.socket]:
    """A connection to a server that has sent nothing."""
    at = urlsplit(url)
    with socket.create_connection((at.hostname, at.port), timeout=60) as connected:
        yield connected


@contextmanager
def upload(url: str, body: bytes) -> Iterator[socket.socket]:
    """A request for /classify that was accepted, and whose body has not begun: the server has asked for it."""
    with connection(url) as sending:
        head = f"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n"
        sending.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert sending.recv(1024).startswith(b"HTTP/1.1 100")
        yield sending


def everything(receiving: socket.socket) -> bytes:
    """What the server sends until it closes the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while part := receiving.recv(65536):
            received += part
    return received
