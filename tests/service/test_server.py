"""The process as an operator sees it: signals, exit codes, and nothing lost."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.service.pictures import random_png
from tests.service.running_server import free_port, wait_until_ready

CLIENTS = 6


@contextmanager
def process(store_root: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own."""
    chosen = {"store": store_root, "models": "mnist", "device": "cpu", "threads": 1, **settings}
    environment = {f"EABS_{name.upper()}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-c", "import sys; from service.app import serve; sys.exit(serve())"]
    running = subprocess.Popen(command, env=os.environ | environment)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()


def keep_classifying(url: str, seed: int, statuses: list[int], errors: list[str]) -> None:
    """Sends one image after the other until nobody listens any more."""
    with httpx.Client(base_url=url, timeout=60) as client:
        while True:
            seed += 1
            try:
                answer = client.post("/classify", content=random_png(seed), headers={"Content-Type": "image/png"})
            except httpx.ConnectError:
                return
            except httpx.TransportError as error:
                errors.append(repr(error))
                return
            statuses.append(answer.status_code)


def test_sigterm_under_load_loses_no_accepted_request(store_root: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with process(store_root, port=port, cache_dir=tmp_path, drain_delay_s=2.0) as running:
        wait_until_ready(url)
        statuses: list[int] = []
        errors: list[str] = []
        clients = [
            threading.Thread(target=keep_classifying, args=(url, 100_000 * number, statuses, errors))
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        while len(statuses) < 5 * CLIENTS:
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        readiness = httpx.get(f"{url}/readyz")
        for client in clients:
            client.join()
        assert running.wait(60) == 0
    assert readiness.status_code == 503
    assert errors == []
    assert set(statuses) == {200}


def test_a_model_that_is_not_there_ends_the_server_with_1(store_root: Path) -> None:
    with process(store_root, models="nope", port=free_port()) as running:
        assert running.wait(60) == 1


def test_an_address_in_use_ends_the_server_with_1(store_root: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with process(store_root, port=taken.getsockname()[1]) as running:
            assert running.wait(60) == 1
