"""Lines as a formatter writes them, and as a whole process does."""

import base64
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from benchmarks.ports import free_port
from service.telemetry.context import working_for
from service.telemetry.logs import JsonFormatter, TextFormatter
from tests.service.pictures import random_png
from tests.service.running_server import wait_until_ready


def record(message: str, **extras: Any) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "here", "levelno": 20, "levelname": "INFO", "msg": message, **extras})


def broken(message: str) -> logging.LogRecord:
    try:
        raise RuntimeError("the\ncause")
    except RuntimeError:
        return record(message, exc_info=sys.exc_info())


def test_an_exception_is_one_line_of_json() -> None:
    text = JsonFormatter().format(broken("it failed\nbadly"))
    assert "\n" not in text
    line = json.loads(text)
    assert line["message"] == "it failed\nbadly"
    assert "RuntimeError: the\ncause" in line["exception"]


def test_text_has_the_fields_of_json() -> None:
    fields = {"route": "/classify", "status": 200, "model": "mnist@1", "error": "two words"}
    json_line = json.loads(JsonFormatter().format(record("GET", **fields)))
    text = TextFormatter().format(record("GET", **fields))
    assert fields.items() <= json_line.items()
    assert text.endswith('here: GET request_id=- route=/classify status=200 model=mnist@1 error="two words"')


def test_no_message_can_begin_a_line_of_its_own() -> None:
    text = TextFormatter().format(record("one\r\n2026-01-01 INFO forged: two\u2028three\x1b[2J"))
    assert len(text.splitlines()) == 1
    assert text.isprintable()


def test_what_libraries_attach_stays_out() -> None:
    for formatter in (JsonFormatter(), TextFormatter()):
        assert "secret" not in formatter.format(record("hello", token="secret"))  # noqa: S106


def test_a_batch_names_all_its_requests() -> None:
    with working_for(["a", "b"]):
        assert json.loads(JsonFormatter().format(record("x")))["request_ids"] == ["a", "b"]
        assert "request_ids=a,b" in TextFormatter().format(record("x"))


def test_a_batch_of_one_request_is_that_request() -> None:
    with working_for(["a", "a"]):
        line = json.loads(JsonFormatter().format(record("x")))
    assert line["request_id"] == "a"
    assert "request_ids" not in line


def serve_and_collect(environment: dict[str, str], *requests: httpx.Request, raw: bytes = b"") -> list[str]:
    """The lines that a server wrote between its start and its orderly end."""
    command = [sys.executable, "-m", "cli.main", "serve"]
    port = environment["EABS_PORT"]
    process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(raw)
            connection.recv(1000)
        with httpx.Client() as client:
            for request in requests:
                client.send(request)
        process.send_signal(signal.SIGTERM)
        return process.communicate(timeout=60)[1].splitlines()
    finally:
        process.kill()
        process.wait()


def test_a_process_writes_json_alone_and_nothing_of_what_it_was_sent(store_root: Path, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    image = base64.urlsafe_b64encode(random_png(1)).decode()
    environment = {
        "EABS_STORE": str(store_root),
        "EABS_CACHE_DIR": str(tmp_path),
        "EABS_DEVICE": "cpu",
        "EABS_THREADS": "1",
        "EABS_PORT": str(port),
        "EABS_LOG_LEVEL": "debug",
        "EABS_DRAIN_DELAY_S": "0",
    }
    lines = serve_and_collect(
        environment,
        httpx.Request("GET", f"{url}/certify?method=finite-bank&image={image}", headers={"X-Request-Id": "mine"}),
        httpx.Request("GET", f"{url}/certify?image={image[:-40]}"),
        httpx.Request("GET", f"{url}/certify?image=!{image}"),
        httpx.Request("GET", f"{url}/certify?image={image}&method=none"),
        httpx.Request("GET", f"{url}/no-secret-path?token=no-secret-token"),
        httpx.Request("POST", f"{url}/classify", content=random_png(2), headers={"Content-Type": "image/png"}),
        raw=b"this is no HTTP\r\n\r\n",
    )
    parsed = [json.loads(line) for line in lines]
    (mine,) = [line for line in parsed if line["request_id"] == "mine"]
    assert (mine["route"], mine["status"], mine["images"]) == ("/certify", 200, 1)
    assert any(line["logger"].startswith("uvicorn") and "Invalid HTTP" in line["message"] for line in parsed)
    text = "\n".join(lines)
    assert image[20:40] not in text
    assert "no-secret" not in text
