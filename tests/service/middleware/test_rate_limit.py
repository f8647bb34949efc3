"""The rate limit of a real server."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from service.middleware.rate_limit import _subscriber
from service.security.keys import create_key
from service.settings import Settings
from tests.service.api import expect_problem
from tests.service.running_server import RunningServer

KEYS = [create_key(name, ["classify"]) for name in ("one", "two", "three")]
RATE = 5


@pytest.fixture(scope="module")
def limited(settings: Settings) -> Iterator[httpx.Client]:
    entries = SecretStr(";".join(key.entry for _, key in KEYS))
    changes = {"models": "mnist", "api_keys": entries, "rate_limit": f"{RATE}/day"}
    with (
        RunningServer(settings.model_copy(update=changes)) as running,
        httpx.Client(base_url=running.url, timeout=60) as client,
    ):
        yield client


def ask(client: httpx.Client, token: str) -> httpx.Response:
    return client.get("/models", headers={"X-API-Key": token})


def test_more_than_the_rate_is_429_with_a_time_to_come_back(limited: httpx.Client) -> None:
    token = KEYS[0][0]
    assert [ask(limited, token).status_code for _ in range(RATE)] == [200] * RATE
    answer = ask(limited, token)
    expect_problem(answer, 429, "5 per 1 day")
    assert answer.json()["type"] == "urn:eabs:problem:rate-limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 86_400
    metrics = limited.get("/metrics", headers={"X-API-Key": token}).text
    assert 'eabs_rejected_total{reason="rate-limited"}' in metrics
    assert 'eabs_rejected_total{reason="queue-full"}' not in metrics


def test_one_key_does_not_use_up_anothers_share(limited: httpx.Client) -> None:
    for _ in range(RATE + 1):
        last = ask(limited, KEYS[1][0])
    assert last.status_code == 429
    assert ask(limited, KEYS[2][0]).status_code == 200


def test_probes_are_never_limited(limited: httpx.Client) -> None:
    assert {limited.get("/healthz").status_code for _ in range(3 * RATE)} == {200}


@pytest.mark.parametrize(
    ("host", "subscriber"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
    ],
)
def test_a_subscriber_of_ipv6_is_one_caller(host: str, subscriber: str) -> None:
    assert _subscriber(host) == subscriber
