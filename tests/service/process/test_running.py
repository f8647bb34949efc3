"""Signals, limits and exit codes of one process."""

import contextlib
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.service.pictures import random_png
from tests.service.process.real_process import serving
from tests.service.process.unfinished import connection, everything, upload

PATIENT = {"models": "mnist", "request_timeout_s": 600, "drain_timeout_s": 600, "drain_delay_s": 0}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_accepted_is_answered_after_a_signal(store_root: Path, tmp_path: Path, number: signal.Signals) -> None:
    image = random_png()
    with serving(tmp_path, store_root, **PATIENT) as process, upload(process.ready(), image) as sending:
        process.send(number)
        process.until(lambda: not listens(process.url))
        sending.sendall(image)
        assert everything(sending).startswith(b"HTTP/1.1 200")
        assert process.wait() == 0


def test_a_second_signal_ends_it_at_once_and_says_what_was_lost(store_root: Path, tmp_path: Path) -> None:
    with serving(tmp_path, store_root, **PATIENT) as process, upload(process.ready(), b"x"), upload(process.url, b"x"):
        process.send(signal.SIGTERM)
        process.until(lambda: not listens(process.url))
        process.send(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    assert "told to end at once by SIGTERM: 2 accepted requests get no answer" in process.messages


def test_the_limit_ends_it_and_says_what_was_lost(store_root: Path, tmp_path: Path) -> None:
    settings = PATIENT | {"drain_timeout_s": 1}
    with serving(tmp_path, store_root, **settings) as process, upload(process.ready(), b"x"):
        started = time.monotonic()
        process.send(signal.SIGTERM)
        assert process.wait() == 3
        assert time.monotonic() - started >= 1
    assert "drain_timeout_s has passed (1 s): 1 accepted requests get no answer" in process.messages


def test_an_engine_that_cannot_be_stopped_does_not_outlive_the_limit(slow_store_root: Path, tmp_path: Path) -> None:
    # Minutes on any machine: 100,000 latent inferences in one certificate.
    work = {"method": "smoothing", "n": 100_000, "sigma": 0.25, "seed": 1}
    settings = PATIENT | {"drain_timeout_s": 1, "request_timeout_s": 1e6}
    with serving(tmp_path, slow_store_root, **settings) as process:
        url = process.ready()
        client = threading.Thread(target=send_and_forget, args=(f"{url}/certify", work))
        client.start()
        process.until(
            lambda: httpx.get(f"{url}/metrics").text.count('eabs_batch_size_count{task="CertifySmoothing"} 1.0')
        )
        process.send(signal.SIGTERM)
        assert process.wait() == 3
        client.join()
    assert "1 accepted requests get no answer" in process.messages
    assert "the engine is still at work" in process.messages


def test_idle_connections_do_not_hold_up_the_end(store_root: Path, tmp_path: Path) -> None:
    with (
        serving(tmp_path, store_root, **PATIENT) as process,
        connection(process.ready()) as silent,
        connection(process.url) as kept,
    ):
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b"}"):
            received += kept.recv(65536)
        process.send(signal.SIGTERM)
        assert process.wait() == 0
        assert everything(kept) == everything(silent) == b""


def test_a_signal_while_the_models_load_ends_it_in_order(store_root: Path, tmp_path: Path) -> None:
    with serving(tmp_path, store_root, **PATIENT) as process:
        process.until(lambda: "Application startup complete" in process.messages)
        process.send(signal.SIGTERM)
        assert process.wait() == 0


def listens(url: str) -> bool:
    try:
        with connection(url):
            return True
    except ConnectionRefusedError:
        return False


def send_and_forget(url: str, query: dict[str, object]) -> None:
    with contextlib.suppress(httpx.TransportError):
        httpx.post(url, params=query, content=random_png(), headers={"Content-Type": "image/png"}, timeout=600)
