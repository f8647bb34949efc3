"""A real Prometheus of the tests' own, with the configuration of docker/prometheus."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.ports import free_port
from tests.docker.monitoring import PROMETHEUS, read_yaml

Series = dict[str, Any]


class RealPrometheus:
    """Answers queries through Prometheus' HTTP API."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        self._at = time.time()

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def ask(self, path: str, **query: str) -> Any:
        """What the API says; an error of a query is an error here."""
        answer = self._client.get(path, params=query)
        body = answer.json()
        assert body["status"] == "success", f"{query}: {body}"
        return body["data"]

    def query(self, expression: str) -> list[Series]:
        """The series of an instant query about the moment of the last look; `labels` and `value` of each."""
        found = self.ask("query", query=expression, time=str(self._at))["result"]
        return [{"labels": one["metric"], "value": float(one["value"][1])} for one in found]

    def value(self, expression: str) -> float | None:
        """The value of the only series; None where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0]["value"] if found else None

    def look(self, *, seconds: float = 120) -> None:
        """Returns once all that is true now has been scraped and recorded; later queries are about that moment, so
        that a scrape which fails on a busy machine changes nothing.

        Raises:
            TimeoutError: there was no such moment.
        """
        since, now = time.time(), 0.0
        while now < since + seconds:
            time.sleep(0.2)
            now = self._at = time.time()
            scraped = f"count(min_over_time(up[5s]) == 1 and timestamp(up) > {since + 1}) == 2"
            # While the rules were evaluated for the last time, every scrape was whole.
            recorded = f"min(prometheus_rule_group_last_evaluation_timestamp_seconds) > {max(since + 1, now - 4)}"
            if self.query(scraped) and self.query(recorded):
                return
        raise TimeoutError(f"Prometheus did not scrape two targets and evaluate its rules within {seconds} s")


@contextmanager
def prometheus(folder: Path, *, target: str, key: str) -> Iterator[RealPrometheus]:
    """A started Prometheus that scrapes `target` (host:port) with a key, and itself; once a second, as the rules are
    evaluated. Where none is installed the test is skipped.

    Args:
        folder: its own, empty.
    """
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    own = f"127.0.0.1:{free_port()}"
    _write_configuration(folder, target=target, key=key, own=own)
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={own}"], stderr=log)
    running = RealPrometheus(f"http://{own}")
    try:
        _wait_until_ready(own, process, folder / "log")
        yield running
    finally:
        running.close()
        process.terminate()
        process.wait()


def _write_configuration(folder: Path, *, target: str, key: str, own: str) -> None:
    """The shipped one, but for addresses, the key's place and how often things are done."""
    (folder / "key").write_text(key)
    config = read_yaml(PROMETHEUS / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (server,) = config["scrape_configs"]
    del server["dns_sd_configs"]
    server["static_configs"] = [{"targets": [target]}]
    server["authorization"]["credentials_file"] = str(folder / "key")
    config["scrape_configs"].append({"job_name": "prometheus", "static_configs": [{"targets": [own]}]})
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for file in config["rule_files"]:
        rules = read_yaml(PROMETHEUS / file)
        for group in rules["groups"]:
            group["interval"] = "1s"
        (folder / file).write_text(yaml.safe_dump(rules))


def _wait_until_ready(own: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"http://{own}/-/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"Prometheus did not become ready: {log.read_text()}")
