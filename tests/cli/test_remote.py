"""`eabs classify --url` and a real server of the same model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.security.keys import create_key
from service.settings import Settings
from tests.cli.conftest import Eabs
from tests.service.running_server import RunningServer

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "mnist-7-a.png"
KEY, ENTRY = create_key("app", ["classify"])


@pytest.fixture(scope="module")
def asked(store: Path) -> Iterator[RunningServer]:
    keys = SecretStr(ENTRY.entry)
    with RunningServer(Settings(store=store, cache_dir=None, device="cpu", threads=1, api_keys=keys)) as running:
        yield running


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_CLIENT_KEY", KEY)


def test_a_servers_answer_is_printed_as_the_one_that_is_made_here(
    eabs: Eabs, asked: RunningServer, store: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "here.png", tmp_path / "there.png"
    command = ("classify", EXAMPLE, "--certificate", "exact-inference", "--json")
    local = eabs(*command, "--store", store, "--figure", here)
    remote = eabs(*command, "--url", asked.url, "--figure", there)
    assert (local.code, remote.code) == (0, 0), local.err + remote.err
    answers = [json.loads(outcome.out) for outcome in (local, remote)]
    for answer in answers:
        del answer["request_id"], answer["timing_ms"]
    assert answers[0] == answers[1]
    assert list(answers[0]) == list(answers[1])
    assert here.read_bytes() == there.read_bytes()


def test_the_table_is_the_same(eabs: Eabs, asked: RunningServer, store: Path) -> None:
    local, remote = (eabs("classify", EXAMPLE, *more) for more in (["--store", store], ["--url", asked.url]))
    assert local.out == remote.out
    assert remote.code == 0


def test_a_version_and_its_options_reach_the_server(eabs: Eabs, asked: RunningServer) -> None:
    outcome = eabs("classify", EXAMPLE, "--url", asked.url, "--model", "mnist@1", "--solver", "adam", "--json")
    assert outcome.code == 0, outcome.err
    answer = json.loads(outcome.out)
    assert answer["model"]["version"] == "1"
    assert not any(score["upper_bound"] for score in answer["results"][0]["classes"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--model", "svhn"], "404 not-found"),
        (["--model", "mnist@7"], "404 not-found"),
        (["--classifier", "finite-bank"], "422 invalid"),
        (["--api-key", "wrong"], "401 unauthenticated"),
    ],
)
def test_an_error_of_the_server_fails_with_its_reason(
    eabs: Eabs, asked: RunningServer, more: list[str], words: str
) -> None:
    outcome = eabs("classify", EXAMPLE, "--url", asked.url, *more)
    assert outcome.code == 1
    assert words in outcome.err


def test_what_a_server_has_itself_and_what_is_no_address_are_usage_errors(eabs: Eabs, store: Path) -> None:
    for more in (["http://127.0.0.1:1", "--store", store], ["http://127.0.0.1:1", "--device", "cpu"], ["127.0.0.1:1"]):
        assert eabs("classify", EXAMPLE, "--url", *more).code == 2
