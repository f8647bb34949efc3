"""`eabs serve` as a process of its own, as an operator sees it: arguments, settings, signals, log, exit code."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.eabs_process import start_eabs
from tests.service.running_server import wait_until_ready

PATIENCE_S = 120.0


class RealProcess:
    """Runs from its making."""

    def __init__(self, log: Path, *arguments: object, **settings: object) -> None:
        environment = {f"EABS_{name.upper()}": str(value) for name, value in settings.items()}
        self.folder = log.parent
        """Where it keeps its log and its temporary files."""
        self._log = log
        self._process = start_eabs(*arguments, log=log, environment=environment)
        self.pid = self._process.pid or 0

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log so far; whatever is no JSON fails."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def messages(self) -> str:
        """The log's messages, a line each."""
        return "\n".join(line["message"] for line in self.log)

    @property
    def url(self) -> str:
        """Where it listens; waits until it does."""
        lines = self.until(lambda: [line for line in self.log if line["message"].startswith("listening on ")])
        return str(lines[0]["message"].split()[-1])

    def until(self, condition: Callable[[], Any]) -> Any:
        """What the condition says once it says something.

        Raises:
            AssertionError: the process has ended, or too long a time has passed.
        """
        give_up = time.monotonic() + PATIENCE_S
        while not (said := condition()):
            assert self._process.is_alive(), f"ended with {self._process.exitcode}: {self.messages}"
            assert time.monotonic() < give_up, self.messages
            time.sleep(0.02)
        return said

    def ready(self) -> str:
        """Its URL, once /readyz says yes."""
        wait_until_ready(self.url, seconds=PATIENCE_S)
        return self.url

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        self._process.join(PATIENCE_S)
        code = self._process.exitcode
        assert code is not None, self.messages
        return code

    def kill(self) -> None:
        """Ends it if it has not ended."""
        self._process.kill()
        self._process.join()


@contextmanager
def serving(folder: Path, store: Path, *arguments: object, **settings: object) -> Iterator[RealProcess]:
    """`eabs serve` on a free port, ended at the end; its log and its cache are in the folder."""
    chosen = {
        "store": store,
        "device": "cpu",
        "threads": 1,
        "port": 0,
        "cache_dir": store.parent / "prepared",
        **settings,
    }
    process = RealProcess(folder / "log", "serve", *arguments, **chosen)
    try:
        yield process
    finally:
        process.kill()
