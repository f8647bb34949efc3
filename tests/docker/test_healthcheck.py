"""The images' health check says what /readyz says, and why."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from benchmarks.ports import free_port
from tests.docker.monitoring import ROOT


def check(port: int) -> subprocess.CompletedProcess[str]:
    """Runs it as the image does."""
    command = [sys.executable, "-IS", ROOT / "docker" / "healthcheck.py"]
    return subprocess.run(command, env={"EABS_PORT": str(port)}, capture_output=True, text=True, check=False)


@contextmanager
def answering(status: int, body: str) -> Iterator[int]:
    """The port of a server that answers /readyz with a status and a body, and all else with 404."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_arguments: object) -> None:
            """Keeps the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1), (500, 1)])
def test_a_server_is_healthy_when_it_says_that_it_is_ready(status: int, expected: int) -> None:
    with answering(status, '{"status":"as it says"}') as port:
        ended = check(port)
    assert ended.returncode == expected, ended.stderr
    assert ended.stdout == f'{status} {{"status":"as it says"}}\n'


def test_a_server_that_does_not_answer_is_not_healthy() -> None:
    port = free_port()
    ended = check(port)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"no answer from port {port}: ConnectionRefusedError")
    assert not ended.stderr
