"""The application on Ray Serve; nothing here needs Ray until a test is run."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from benchmarks.ports import free_port
from service.security.exposure import Exposed
from tests.service.pictures import random_png

# Ray warns of itself when it is imported, and when it ends.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ray_app() -> Any:
    pytest.importorskip("ray")
    from service import ray_app

    return ray_app


@pytest.fixture
def url(ray_app: Any, store_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Two replicas of the small model."""
    import ray
    from ray import serve

    monkeypatch.setenv("EABS_ALLOW_ANONYMOUS", "true")
    monkeypatch.setenv("EABS_STORE", str(store_root))
    monkeypatch.setenv("EABS_CACHE_DIR", str(store_root.parent / "prepared"))
    port = free_port()
    environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(ray_app.build(ray_app.RayOptions(min_replicas=2, max_replicas=2)), name="eabs")
        yield f"http://127.0.0.1:{port}"
        serve.shutdown()
    finally:
        ray.shutdown()


def replicas() -> set[int]:
    """Their processes, as Ray names them."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if line.startswith(b"ray::ServeReplica:eabs:eabs"):
            found.add(int(entry.parent.name))
    return found


def test_a_replica_that_is_killed_costs_no_request_that_comes_later_and_is_replaced(url: str) -> None:
    before = replicas()
    assert len(before) == 2
    png = random_png()

    def ask(_: int) -> int:
        headers = {"Content-Type": "image/png"}
        return httpx.post(f"{url}/classify", content=png, headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(20))) == {200}
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        statuses = Counter(pool.map(ask, range(100)))
    # What Ray had given to the replica before it noticed is lost.
    assert statuses[200] >= 90, statuses
    give_up = time.monotonic() + 120
    while len(replicas() - {victim}) < 2:
        assert time.monotonic() < give_up
        time.sleep(0.2)


def test_nothing_is_deployed_without_keys_unless_that_is_meant(ray_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EABS_ALLOW_ANONYMOUS", raising=False)
    with pytest.raises(Exposed):
        ray_app.build(ray_app.RayOptions())


@pytest.mark.parametrize("wrong", [{"min_replicas": 3, "max_replicas": 2}, {"gpus": 2}, {"gpu": 1}, {"cpus": 0}])
def test_options_that_make_no_sense_are_refused_by_name(ray_app: Any, wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ray_app.RayOptions(**wrong)
