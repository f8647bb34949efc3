"""Two workers behind one port: they count together, are replaced, and end together."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.parser import text_string_to_metric_families

from tests.service.pictures import random_png
from tests.service.process.real_process import PATIENCE_S, RealProcess, serving
from tests.service.process.test_running import listens
from tests.service.test_server import keep_classifying

CLIENTS = 8
SETTINGS = {"models": "mnist", "workers": 2, "cache_bytes": 0, "drain_delay_s": 2, "request_timeout_s": 600}


@pytest.fixture(scope="module")
def group(store_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProcess]:
    """Two workers, ready."""
    folder = tmp_path_factory.mktemp("group")
    with serving(folder, store_root, **SETTINGS) as process:
        process.ready()
        yield process


def metric(url: str, name: str) -> float:
    """The sum of a metric's samples over its labels, as whichever worker answers says it."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def worker_pids(process: RealProcess) -> list[int]:
    """Of all workers so far, in the order of their start."""
    return [int(pid) for pid in re.findall(r"worker \d has started as process (\d+)", process.messages)]


def classify(url: str, seed: int) -> int:
    """The status of a request on a connection of its own."""
    return httpx.post(
        f"{url}/classify", content=random_png(seed), headers={"Content-Type": "image/png"}, timeout=60
    ).status_code


def connections_of(pid: int, port: int) -> set[int]:
    """The clients' ports of the connections that a process holds."""
    files = {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[2].split(":")[1], 16)
        for row in rows
        if int(row[1].split(":")[1], 16) == port and f"socket:[{row[9]}]" in files
    }


def counted_by(folder: Path, worker: int) -> float:
    """Images that one worker alone has classified."""
    values = MmapedDict.read_all_values_from_file(str(folder / f"counter_{worker}.db"))
    return sum(value for key, value, *_ in values if '"eabs_images_classified_total"' in key)


def test_all_workers_count_into_the_totals_that_each_of_them_tells(group: RealProcess) -> None:
    url, sent = group.url, 0
    (folder,) = group.folder.glob("eabs-workers-*")
    with ThreadPoolExecutor(CLIENTS) as clients:
        while sent < 40 or min(counted_by(folder, 0), counted_by(folder, 1)) < 5:
            assert set(clients.map(lambda seed: classify(url, seed), range(sent, sent + 20))) == {200}
            sent += 20
        told = list(clients.map(lambda _: metric(url, "eabs_images_classified_total"), range(20)))
    assert told == [sent] * 20
    group.until(lambda: metric(url, "eabs_request_seconds_count") > sent)
    assert metric(url, "eabs_batch_size_sum") == sent
    assert metric(url, "eabs_ready") == 1
    assert metric(url, "eabs_model_info") == 1


def test_a_worker_that_is_killed_is_replaced_and_harms_nobody_else(group: RealProcess) -> None:
    at = urlsplit(group.url)
    assert at.port
    before, ended = metric(group.url, "eabs_images_classified_total"), threading.Event()
    statuses: list[int] = []
    broken: list[int] = []

    def client(seed: int) -> None:
        while not ended.is_set():
            with closing(HTTPConnection(at.netloc, timeout=60)) as connection:
                connection.connect()
                own_port = connection.sock.getsockname()[1]
                try:
                    while not ended.is_set():
                        seed += 1
                        connection.request("POST", "/classify", random_png(seed), {"Content-Type": "image/png"})
                        answer = connection.getresponse()
                        answer.read()
                        statuses.append(answer.status)
                except (OSError, HTTPException):
                    broken.append(own_port)

    clients = [threading.Thread(target=client, args=(100_000 * number,)) for number in range(1, CLIENTS + 1)]
    for thread in clients:
        thread.start()
    totals = []

    def restarts() -> float:
        totals.append(metric(group.url, "eabs_images_classified_total"))
        return metric(group.url, "eabs_worker_restarts_total")

    try:
        group.until(lambda: len(statuses) > 5 * CLIENTS)
        assert restarts() == 0
        victim = worker_pids(group)[0]
        connected_to_victim = connections_of(victim, at.port)
        os.kill(victim, signal.SIGKILL)
        group.until(lambda: restarts() == 1)
        successor = worker_pids(group)[2]
        group.until(lambda: restarts() == 1 and connections_of(successor, at.port))
    finally:
        ended.set()
        for thread in clients:
            thread.join()
    assert set(statuses) == {200}
    assert set(broken) <= connected_to_victim
    assert totals == sorted(totals)
    classified = metric(group.url, "eabs_images_classified_total") - before
    assert len(statuses) <= classified <= len(statuses) + len(broken)
    assert f"worker 0 (process {victim}) ended by SIGKILL: another takes its place in " in group.messages


def test_sigterm_under_load_loses_no_accepted_request(group: RealProcess) -> None:
    statuses: list[int] = []
    errors: list[str] = []
    arguments = [(group.url, 10_000_000 * number, statuses, errors) for number in range(1, CLIENTS + 1)]
    clients = [threading.Thread(target=keep_classifying, args=own) for own in arguments]
    for client in clients:
        client.start()
    group.until(lambda: len(statuses) > 5 * CLIENTS)
    group.send(signal.SIGTERM)
    for client in clients:
        client.join()
    assert group.wait() == 0
    assert errors == []
    assert set(statuses) == {200}
    assert not list(group.folder.glob("eabs-workers-*"))


def test_a_second_signal_ends_all_workers_at_once(store_root: Path, tmp_path: Path) -> None:
    with serving(tmp_path, store_root, **SETTINGS | {"drain_delay_s": 600}) as process:
        process.until(lambda: process.messages.count("Application startup complete") == 2)
        process.send(signal.SIGINT)
        process.until(lambda: "SIGINT: the workers drain" in process.messages)
        process.send(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT
    assert process.messages.count("told to end at once by SIGUSR1: 0 accepted requests get no answer") == 2


def test_workers_drain_and_free_the_port_when_their_supervisor_is_gone(store_root: Path, tmp_path: Path) -> None:
    with serving(tmp_path, store_root, **SETTINGS) as process:
        process.until(lambda: process.messages.count("Application startup complete") == 2)
        url, pids = process.url, worker_pids(process)
        process.kill()
        give_up = time.monotonic() + PATIENCE_S
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            assert time.monotonic() < give_up
            time.sleep(0.05)
    assert not listens(url)
    assert process.messages.count("the supervisor is gone: this worker drains") == 2
