"""Keys as clients send them, to a real server that asks for them."""

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from service.security.keys import create_key
from service.settings import Settings
from tests.service.api import expect_problem
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

CLASSIFY, CLASSIFY_KEY = create_key("app", ["classify"])
ADMIN, ADMIN_KEY = create_key("ops", ["admin"])
UNKNOWN, UNKNOWN_KEY = create_key("stranger", ["classify", "admin"])
PNG = {"Content-Type": "image/png"}
LOAD = "/v2/repository/models/mnist/load"


@pytest.fixture(scope="module")
def guarded(settings: Settings) -> Iterator[RunningServer]:
    keys = SecretStr(f"{CLASSIFY_KEY.entry};{ADMIN_KEY.entry}")
    with RunningServer(settings.model_copy(update={"models": "mnist", "api_keys": keys})) as running:
        yield running


@pytest.fixture(scope="module")
def guest(guarded: RunningServer) -> Iterator[httpx.Client]:
    """A client that has no key by itself."""
    with httpx.Client(base_url=guarded.url, timeout=60) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def classify(client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
    return client.post("/classify", content=random_png(7), headers=PNG | headers)


@pytest.mark.parametrize(
    "headers",
    [
        bearer(CLASSIFY),
        {"Authorization": f"bearer  {CLASSIFY}"},
        {"X-API-Key": CLASSIFY},
        {"X-API-Key": CLASSIFY, "Authorization": "Basic YTpi"},
    ],
)
def test_a_key_with_the_scope_is_let_in(guest: httpx.Client, headers: dict[str, str]) -> None:
    assert classify(guest, headers).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic YTpi"}, {"X-API-Key": ""}, {"Authorization": "Bearer"}]
)
def test_without_a_key_the_answer_is_401_and_how_to_send_one(guest: httpx.Client, headers: dict[str, str]) -> None:
    answer = classify(guest, headers)
    expect_problem(answer, 401, "Authorization: Bearer", "got none")
    assert answer.headers["www-authenticate"] == 'Bearer realm="eabs"'


@pytest.mark.parametrize("headers", [bearer(UNKNOWN), {"X-API-Key": UNKNOWN}, bearer(CLASSIFY[:-1]), bearer("ü")])
def test_an_unknown_key_is_401_and_is_not_repeated(guest: httpx.Client, headers: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = guest.post("/classify", content=random_png(7), headers=[*PNG.items(), *encoded])  # type: ignore[arg-type,list-item]
    expect_problem(answer, 401, "unknown")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert UNKNOWN not in answer.text


def test_a_key_of_another_scope_is_403(guest: httpx.Client) -> None:
    expect_problem(classify(guest, bearer(ADMIN)), 403, "'classify'", "admin")
    answer = guest.post(LOAD, headers=bearer(CLASSIFY))
    assert answer.status_code == 403
    assert set(answer.json()) == {"error"}, "below /v2 errors have that protocol's form"


def test_an_admin_may_load(guest: httpx.Client) -> None:
    assert guest.post(LOAD, headers=bearer(ADMIN)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json"]
)
def test_probes_and_the_description_are_open(guest: httpx.Client, path: str) -> None:
    assert guest.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/models", "/models/mnist", "/certify?image=x", "/v2", "/v2/models/mnist", "/nothing"]
)
def test_everything_else_is_closed(guest: httpx.Client, path: str) -> None:
    assert guest.get(path).status_code == 401


def test_metrics_take_any_key(guest: httpx.Client) -> None:
    assert guest.get("/metrics").status_code == 401
    assert guest.get("/metrics", headers=bearer(ADMIN)).status_code == 200
    assert guest.get("/metrics", headers=bearer(CLASSIFY)).status_code == 200


def test_refusals_are_counted_by_their_reason(guest: httpx.Client) -> None:
    classify(guest, {})
    classify(guest, bearer(ADMIN))
    metrics = guest.get("/metrics", headers=bearer(ADMIN)).text
    assert 'eabs_rejected_total{reason="unauthenticated"}' in metrics
    assert 'eabs_rejected_total{reason="forbidden"}' in metrics


def test_no_key_is_seen_in_logs_metrics_or_the_description(
    guest: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        classify(guest, bearer(CLASSIFY))
        classify(guest, {"X-API-Key": UNKNOWN})
        metrics = guest.get("/metrics", headers=bearer(ADMIN)).text
    records = "".join(
        str(vars(record)) for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert "'key': 'app'" in records, "whose it was is told"
    seen = records + metrics + guest.get("/openapi.json").text
    for secret in (CLASSIFY, ADMIN, UNKNOWN, CLASSIFY_KEY.digest.hex(), ADMIN_KEY.digest.hex()):
        assert secret not in seen


def test_a_refusal_does_not_wait_for_the_body(guarded: RunningServer) -> None:
    """Only the headers are sent, of a body that never comes."""
    with socket.create_connection(("127.0.0.1", guarded.settings.port), timeout=60) as connection:
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 16000000\r\n\r\n")
        head = connection.recv(65536)
    assert head.startswith(b"HTTP/1.1 401 ")


def test_a_refused_upload_can_be_read_to_its_end(guest: httpx.Client) -> None:
    answer = guest.post("/classify", content=b"x" * 8_000_000, headers=PNG)
    expect_problem(answer, 401, "got none")


def test_without_any_admin_key_nobody_may_load(client: httpx.Client) -> None:
    answer = client.post(LOAD)
    assert answer.status_code == 403
    assert "turned off" in answer.json()["error"]


def test_keys_are_rotated_while_the_server_runs(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(CLASSIFY_KEY.entry)
    changes = {"models": "mnist", "api_keys_file": file}
    with (
        RunningServer(settings.model_copy(update=changes)) as own,
        httpx.Client(base_url=own.url, timeout=60) as client,
    ):
        assert client.get("/models", headers=bearer(CLASSIFY)).status_code == 200
        file.write_text(UNKNOWN_KEY.entry)
        while client.get("/models", headers=bearer(UNKNOWN)).status_code == 401:
            time.sleep(0.05)
        assert client.get("/models", headers=bearer(CLASSIFY)).status_code == 401
