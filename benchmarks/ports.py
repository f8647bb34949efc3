"""Ports for servers that are started here."""

import contextlib
import random
import socket

_PORTS = (10_000, 32_000)  # below those that Linux gives to clients


def free_port() -> int:
    """A port that nobody listens on now, and that no client is given by the kernel before a server has taken it."""
    while True:
        port = random.randrange(*_PORTS)  # noqa: S311 - no secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
