"""Ten thousand requests of all kinds at one server; afterwards every answer was right and the server is as it was."""

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import numpy as np
import pytest
import torch

from benchmarks.ports import free_port
from model_store import ModelStore
from service.jobs import Classify, ClassifyByPrototypes, Scores
from service.models.reference import ModelReference
from service.models.served_model import load_model
from tests.service.chaos.clients import KEY, MIX, Answer, Client, Picture, Target, make_pictures
from tests.service.running_server import wait_until_ready

REQUESTS = 10_000
REHEARSAL = 1_500
CLIENTS = 200
SECONDS = 400
LOOP_THREADS = 6  # which asyncio's own executor starts when it first needs them
TOLERANCE = 1e-3  # relative, of a score: batches of other sizes add in another order


class Watched:
    """The server's process and what it reports."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, file: Path) -> None:
        self.process, self.port, self._file = process, port, file
        self.url = f"http://127.0.0.1:{port}"

    def holds(self) -> dict[str, Any]:
        """What the server holds now."""
        self._file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        give_up = time.monotonic() + 30
        while not self._file.exists():
            assert time.monotonic() < give_up, "the server does not report"
            time.sleep(0.02)
        held: dict[str, Any] = json.loads(self._file.read_text())
        return held

    def settle(self, tasks: int) -> None:
        """Returns once it has no more than so many tasks, or after a while."""
        give_up = time.monotonic() + 30
        while len(self.holds()["tasks"]) > tasks and time.monotonic() < give_up:
            time.sleep(0.2)

    def counters(self) -> dict[str, float]:
        """Every sample of /metrics by its name and labels, but for those about /metrics itself and the probes."""
        lines = httpx.get(f"{self.url}/metrics", headers={"X-API-Key": KEY}, timeout=30).text.splitlines()
        samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in samples.items() if not re.search('route="/(metrics|.*z)"', name)}


@pytest.fixture
def watched(store_root: Path, tmp_path: Path) -> Iterator[Watched]:
    port, file = free_port(), tmp_path / "report.json"
    settings = {
        "store": store_root,
        "models": "mnist",
        "device": "cpu",
        "threads": 2,
        "cache_dir": tmp_path / "cache",
        "cache_bytes": 7 * 2**18,  # too little for all, so that most answers come from it and some do not
        "max_queue": 128,
        "api_keys": f"chaos classify sha256:{hashlib.sha256(KEY.encode()).hexdigest()}",
        "max_images": 8,
        "port": port,
        "log_level": "error",
    }
    environment = {f"EABS_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "tests.service.chaos.watched_server", str(file)]
    process = subprocess.Popen(command, env=os.environ | environment | {"MALLOC_ARENA_MAX": "2"})
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield Watched(process, port, file)
    finally:
        process.terminate()
        assert process.wait(60) == 0


async def storm(watched: Watched, pictures: list[Picture], count: int, seed: int) -> list[Answer]:
    """Sends requests of every kind from many clients at once."""
    kinds, weights = zip(*MIX, strict=True)
    plan = iter(enumerate(random.Random(seed).choices(kinds, weights, k=count)))
    answers: list[Answer] = []
    connector, patience = aiohttp.TCPConnector(limit=CLIENTS), aiohttp.ClientTimeout(60)
    headers = {"X-API-Key": KEY}
    async with aiohttp.ClientSession(watched.url, connector=connector, headers=headers, timeout=patience) as session:
        target = Target(Client(session), watched.port, pictures)

        async def work() -> None:
            for index, kind in plan:
                answers.append(await kind(target, random.Random(seed * 10**6 + index)))

        await asyncio.gather(*(work() for _ in range(CLIENTS)))
    return answers


def expected_scores(store_root: Path, pictures: list[Picture]) -> dict[tuple[str, str], Scores]:
    """What the model answers without a server, by classifier and image."""
    model = load_model(
        ModelStore(store_root), ModelReference("mnist"), device=torch.device("cpu"), cache_dir=None, threads=1
    )
    images = torch.from_numpy(np.stack([picture.pixels for picture in pictures]))
    found = {
        "latent": Classify.by_effort(model.digest, "fast").run(model.classifiers, images),
        "finite-bank": ClassifyByPrototypes(model.digest).run(model.classifiers, images),
    }
    return {
        (classifier, picture.identity): scores
        for classifier, rows in found.items()
        for picture, scores in zip(pictures, rows, strict=True)
    }


def check_that_scores_tell_images_apart(expected: dict[tuple[str, str], Scores]) -> None:
    """Otherwise an answer that went to the wrong client would not be noticed."""
    for classifier in ("latent", "finite-bank"):
        rows = np.stack([scores.scores for (name, _), scores in expected.items() if name == classifier])
        distances = np.abs(rows[:, None] - rows[None]).max(2) / np.abs(rows).max()
        np.fill_diagonal(distances, np.inf)
        assert distances.min() > TOLERANCE / 10


def check_results(answers: list[Answer], expected: dict[tuple[str, str], Scores]) -> int:
    """Compares every result with what the model answers by itself; returns how many there were."""
    count = 0
    for answer in answers:
        for result in answer.results:
            scores = expected[answer.classifier, result["image_id"]].scores
            found = -np.array([entry["log_likelihood"] for entry in result["classes"]])
            np.testing.assert_allclose(found, scores, rtol=TOLERANCE)
            assert result["prediction"]["index"] == int(found.argmin())
            count += 1
    return count


@pytest.mark.timeout(600)
def test_ten_thousand_requests_of_all_kinds_leave_the_server_as_it_was(watched: Watched, store_root: Path) -> None:
    pictures = make_pictures()
    expected = expected_scores(store_root, pictures)
    idle = len(watched.holds()["tasks"])
    asyncio.run(storm(watched, pictures, REHEARSAL, seed=1))
    watched.settle(idle)
    counted_before, before = watched.counters(), watched.holds()

    started = time.monotonic()
    answers = asyncio.run(storm(watched, pictures, REQUESTS, seed=2))
    assert time.monotonic() - started < SECONDS
    watched.settle(idle)
    counted_after, after = watched.counters(), watched.holds()

    by_kind = {kind: Counter(a.status for a in answers if a.kind == kind) for kind in {a.kind for a in answers}}
    print(by_kind, before, after)
    assert len(answers) == REQUESTS
    assert set(by_kind["good"]) <= {200, 429}
    assert by_kind["good"][200] > 0.9 * by_kind["good"].total()
    assert set(by_kind["hasty"]) <= {200, 504, 429}
    assert set(by_kind["stalling"]) <= {504, 429}
    for kind, statuses in by_kind.items():
        if kind.startswith("bad"):
            assert set(statuses) <= {int(kind.split()[-1]), 429}, kind
    assert all(answer.retry_after for answer in answers if answer.status == 429 and answer.kind == "good")
    assert check_results(answers, expected) >= by_kind["good"][200]

    assert after["tasks"] == before["tasks"]
    assert after["files"] <= before["files"]
    assert after["threads"] <= before["threads"] + LOOP_THREADS
    assert after["objects"] - before["objects"] < REQUESTS / 2
    assert after["memory"] - before["memory"] < 32 * 2**20

    counted = {name: value - counted_before.get(name, 0) for name, value in counted_after.items()}
    check_counters(counted, counted_after, answers)


def check_counters(counted: dict[str, float], now: dict[str, float], answers: list[Answer]) -> None:
    """Holds what the server counted during the storm against what its clients saw. Of a client that vanished it may
    have counted anything, or nothing."""

    def total(name: str, label: str = "") -> float:
        return sum(value for key, value in counted.items() if key.startswith(f"{name}{{") and label in key)

    seen = Counter(answer.status for answer in answers if answer.status)
    vanished = sum(answer.status == 0 for answer in answers)
    for status in (400, 401, 404, 413, 415, 422):
        assert total("eabs_requests_total", f'status="{status}"') == seen[status], status
    for status in (200, 429, 504):
        assert 0 <= total("eabs_requests_total", f'status="{status}"') - seen[status] <= vanished, status
    assert 0 <= total("eabs_requests_total") - seen.total() <= vanished
    assert total("eabs_request_seconds_count") == total("eabs_requests_total")
    assert total("eabs_predictions_total") == total("eabs_images_classified_total")
    images = sum(len(answer.results) for answer in answers)
    assert 0 <= total("eabs_images_classified_total") - images <= vanished
    assert now["eabs_queue_depth"] == 0
    assert now["eabs_ready"] == 1
