from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import tritonclient.http
from pydantic import SecretStr
from tritonclient.http import InferenceServerClientPlugin

from model_store import ModelStore
from service.security.keys import create_key
from service.settings import Settings
from tests.service.models.publishing import damage, publish
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

KEY, ENTRY = create_key("operator", ["classify", "admin"])
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}


class _WithKey(InferenceServerClientPlugin):  # type: ignore[misc]
    """How Triton's client sends a key."""

    def __call__(self, request: Any) -> None:
        request.headers.update(AUTHORIZATION)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """A store with version 1 of mnist in production, and version 2."""
    store = ModelStore(tmp_path_factory.mktemp("repository"))
    publish(store)
    publish(store, seed=1, alias=None)
    return store


@pytest.fixture(scope="module")
def own(settings: Settings, store: ModelStore) -> Iterator[RunningServer]:
    changes = {"store": store.root, "models": "mnist", "poll_s": 0, "api_keys": SecretStr(ENTRY.entry)}
    with RunningServer(settings.model_copy(update=changes)) as running:
        yield running


@pytest.fixture
def triton(own: RunningServer) -> Iterator[tritonclient.http.InferenceServerClient]:
    client = tritonclient.http.InferenceServerClient(own.url.removeprefix("http://"))
    client.register_plugin(_WithKey())
    yield client
    client.load_model("mnist")
    client.close()


@pytest.fixture
def own_client(own: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.url, timeout=60, headers=AUTHORIZATION) as client:
        yield client


def version_that_answers(client: httpx.Client, **query: str) -> str:
    answer = client.post("/classify", content=random_png(1), headers={"Content-Type": "image/png"}, params=query)
    assert answer.status_code == 200, answer.text
    version = answer.json()["model"]["version"]
    assert isinstance(version, str)
    return version


def test_every_published_version_is_indexed(triton: tritonclient.http.InferenceServerClient) -> None:
    entries = {(entry["name"], entry["version"]): entry["state"] for entry in triton.get_model_repository_index()}
    assert entries["mnist", "1"] == "READY"
    assert entries["mnist", "2"] == "UNAVAILABLE"


def test_the_index_can_be_of_what_is_ready_alone(own_client: httpx.Client) -> None:
    entries = own_client.post("/v2/repository/index", json={"ready": True}).json()
    assert entries == [{"name": "mnist", "version": "1", "state": "READY", "reason": ""}]


def test_a_load_follows_an_alias_that_has_moved(
    triton: tritonclient.http.InferenceServerClient, own_client: httpx.Client, store: ModelStore
) -> None:
    store.set_alias("mnist", "production", "2")
    assert version_that_answers(own_client) == "1"
    triton.load_model("mnist")
    assert version_that_answers(own_client) == "2"
    store.set_alias("mnist", "production", "1")


def test_a_version_is_loaded_beside_the_default(own_client: httpx.Client) -> None:
    answer = own_client.post("/v2/repository/models/mnist/load", json={"parameters": {"version": "2"}})
    assert answer.status_code == 200
    assert version_that_answers(own_client, version="2") == "2"
    assert version_that_answers(own_client) == "1"


def test_an_unloaded_model_is_gone_until_it_is_loaded(
    triton: tritonclient.http.InferenceServerClient, own_client: httpx.Client
) -> None:
    triton.unload_model("mnist")
    assert own_client.post("/classify", content=b"").status_code == 404
    assert own_client.get("/readyz").status_code == 503
    assert own_client.post("/v2/repository/models/mnist/unload").status_code == 404
    triton.load_model("mnist")
    assert version_that_answers(own_client) == "1"


def test_a_load_that_fails_says_why_and_changes_nothing(own_client: httpx.Client, store: ModelStore) -> None:
    damage(store, publish(store, seed=3, alias="damaged"))
    answer = own_client.post("/v2/repository/models/mnist/load", json={"parameters": {"version": "damaged"}})
    assert answer.status_code == 500
    assert "weights.safetensors: expected sha256:" in answer.text
    assert version_that_answers(own_client) == "1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"parameters": {"config": "{}"}}', 422),
        (b"{", 400),
        (b"[]", 422),
        (b'{"parameters": {"version": "9"}}', 404),
        (b'{"parameters": {"version": "../1"}}', 404),
        (b" " * 100_000, 413),
    ],
)
def test_what_cannot_be_meant_is_refused(own_client: httpx.Client, body: bytes, status: int) -> None:
    assert own_client.post("/v2/repository/models/mnist/load", content=body).status_code == status
    assert version_that_answers(own_client) == "1"


@pytest.mark.parametrize("name", ["nope", "..%2f..", "MNIST"])
def test_a_model_that_is_not_there_is_not_found(own_client: httpx.Client, name: str) -> None:
    for verb in ("load", "unload"):
        assert own_client.post(f"/v2/repository/models/{name}/{verb}").status_code == 404
