"""The stack of containers that scripts/compose-test has brought up."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from client import ONCE, Client

_CHILDREN = "/proc/1/task/1/children"
"""The processes of an init in its container: the server."""


@dataclass(frozen=True)
class Stack:
    """Where its parts are reached.

    engine: podman or docker.
    project: Compose's name of it.
    server, prometheus: URLs.
    key: of an app.
    """

    engine: str
    project: str
    server: str
    prometheus: str
    key: str

    @classmethod
    def running(cls) -> "Stack":
        """What scripts/compose-test says in its variables."""
        place = os.environ
        return cls(
            engine=place["STACK_ENGINE"],
            project=place["STACK_PROJECT"],
            server=place["STACK_SERVER"],
            prometheus=place["STACK_PROMETHEUS"],
            key=Path(place["STACK_KEY_FILE"]).read_text(),
        )

    def client(self) -> Client:
        """A client that tries nothing again."""
        return Client(self.server, api_key=self.key, retries=ONCE)

    def do(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of the engine."""
        return subprocess.run([self.engine, *arguments], check=check, capture_output=True, text=True)

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        (found,) = self.do("ps", "--all", "--quiet", *filters).stdout.split()
        return found

    def inspect(self, service: str, form: str) -> Any:
        """A part of what the engine knows of a container; `form` is a Go template, `.State`."""
        return json.loads(self.do("inspect", "--format", f"{{{{json {form}}}}}", self.container(service)).stdout)

    def inside(self, service: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a command in a service's container."""
        return self.do("exec", self.container(service), *command, check=check)

    def signal_server(self, name: str) -> None:
        """Sends a signal to the server's process, past the engine, which would take it for an operator's wish.

        A container that ends with its killed server takes this command along: what it then ends with says nothing.
        """
        code = f"import os, signal; [os.kill(int(p), signal.{name}) for p in open({_CHILDREN!r}).read().split()]"
        self.inside("eabs", "python3", "-c", code, check=name != "SIGKILL")

    def healthy(self, service: str) -> bool:
        """What the health check says. Podman has systemd repeat it, which is not everywhere: here it is run at once."""
        if self.engine == "podman":
            return self.do("healthcheck", "run", self.container(service), check=False).returncode == 0
        return bool(self.inspect(service, ".State.Health.Status") == "healthy")

    def metric(self, name: str, labels: str = "") -> float:
        """The sum of a metric's series that have all these labels, `tier="redis"`, of the server itself."""
        text = httpx.get(f"{self.server}/metrics", headers={"X-API-Key": self.key}).text
        series = re.findall(rf"^{name}(\{{[^}}]*\}})? (\S+)$", text, re.M)
        return sum(float(value) for found, value in series if labels in found)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that Prometheus answers with."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}).json()
        assert answer["status"] == "success", answer
        return list(answer["data"]["result"])

    def ready(self) -> bool:
        """Whether /readyz says 200."""
        try:
            return httpx.get(f"{self.server}/readyz").status_code == 200
        except httpx.TransportError:
            return False


def wait_until(true: Callable[[], bool], what: str, *, seconds: float = 180.0) -> float:
    """Returns when something has become true, and the seconds that it took.

    Raises:
        TimeoutError: it did not.
    """
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if true():
            return time.monotonic() - begun
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds} s")


@contextmanager
def frozen(stack: Stack) -> Iterator[None]:
    """The server's process stands still."""
    stack.signal_server("SIGSTOP")
    try:
        yield
    finally:
        stack.signal_server("SIGCONT")
