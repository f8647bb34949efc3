"""A real server whose model changes while clients use it."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from model_store import ModelStore
from service.settings import Settings
from tests.service.api import gauge
from tests.service.models.publishing import damage, publish
from tests.service.pictures import random_png
from tests.service.running_server import RunningServer

CLIENTS = 4


class Load:
    """Clients that classify one image after the other, and what each was answered: status and version."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopping = threading.Event()
        self.answers: list[tuple[int, str | None]] = []
        self._threads = [threading.Thread(target=self._run, args=(1_000_000 * n,)) for n in range(CLIENTS)]

    def _run(self, seed: int) -> None:
        query = {"model": "mnist", "version": "production"} if seed % 2_000_000 else {}
        headers = {"Content-Type": "image/png"}
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stopping.is_set():
                seed += 1
                answer = client.post("/classify", content=random_png(seed), headers=headers, params=query)
                version = answer.json()["model"]["version"] if answer.status_code == 200 else answer.text
                self.answers.append((answer.status_code, version))

    def until(self, condition: Callable[[], bool], *, seconds: float = 60) -> None:
        """Goes on until the condition holds.

        Raises:
            TimeoutError: it never did.
        """
        give_up = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > give_up:
                raise TimeoutError(f"the last answers were {self.answers[-5:]}")
            time.sleep(0.02)

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with version 1 of mnist in production."""
    store = ModelStore(tmp_path / "store")
    publish(store)
    return store


def test_versions_come_go_and_fail_under_load_without_a_failed_request(settings: Settings, store: ModelStore) -> None:
    changes = {"store": store.root, "models": "mnist", "poll_s": 0.1}
    with RunningServer(settings.model_copy(update=changes)) as server, Load(server.url) as load:
        load.until(lambda: (200, "1") in load.answers)
        publish(store, seed=1)
        load.until(lambda: load.answers[-1] == (200, "2"))
        damage(store, publish(store, seed=2))
        with httpx.Client(base_url=server.url) as client:
            failed = 'eabs_model_loads_total{model="mnist",outcome="failed"}'
            load.until(lambda: failed in client.get("/metrics").text and gauge(client, failed) == 1)
        store.set_alias("mnist", "production", "1")
        load.until(lambda: load.answers[-1] == (200, "1"))
    assert set(load.answers) == {(200, "1"), (200, "2")}
