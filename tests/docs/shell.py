"""A shell in which a page's commands run for real, in a copy of the checkout's root; what is changed stands here."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from benchmarks.ports import free_port

ROOT = Path(__file__).parents[2]

# Names on the page, and what stands for them: a free port, folders, a Redis of the test's own.
STANDS_FOR = {
    r"127\.0\.0\.1:8000": "127.0.0.1:{port}",
    r"--port 8000": "--port {port}",
    r"127\.0\.0\.1:6379": "127.0.0.1:{redis}",
    r"\bDIR\b": "{data}",
    r"\bSTORE\b": "{store}",
}
# The same work on 20 digits instead of 70,000: what is added to commands that begin so.
MADE_SMALLER = {
    "eabs train ": "--epochs 1 --batch 32",
    "eabs prototypes train ": "--per-class 4 --components 20 --epochs 2",
    # Eighteen validation images can reject nothing.
    "eabs models publish ": "--effort fast --reject-below 0",
}
# What cannot run here, why, and what is run instead.
INSTEAD = {
    "scripts/test": ("this test would run itself", "bash -n scripts/test && python -m pytest --version"),
    "docker compose": (
        "containers run for real in scripts/compose-test",
        "python -c \"import yaml; assert 'eabs' in yaml.safe_load(open('docker-compose.yml'))['services']\"",
    ),
}
# What a page says to do by hand with what a command has printed.
BY_HAND = {"eabs keys create": "tail -n 1 printed >keys"}

_SERVES = re.compile(r"^((?:\w+=\S+ )*)((?:scripts/|eabs )serve\b.*)$")


class Shell:
    """Runs commands in `folder`. One that serves runs on beside the others, until the next that serves, or the end."""

    def __init__(self, folder: Path, *, data: Path, redis_port: int) -> None:
        """Args:
        folder: an empty one, which becomes a copy of the checkout's root.
        data: what DIR stands for.
        redis_port: where a Redis listens.
        """
        self._folder = folder
        self._port = free_port()
        self._names = {"port": self._port, "redis": redis_port, "data": data, "store": folder / "published"}
        self._server: subprocess.Popen[bytes] | None = None
        _copy_checkout(folder)
        self._environment = os.environ | {
            "PATH": f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "EABS_PORT": str(self._port),
            "EABS_DRAIN_DELAY_S": "0",
            "NO_PROXY": "*",
            "COLUMNS": "100",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_server()

    def run(self, text: str) -> str:
        """Runs a command of a page and returns what it prints.

        Raises:
            RuntimeError: it failed.
        """
        command = self.translated(text)
        if served := _SERVES.fullmatch(command):
            return self._serve(f"exec env {served[1]}{served[2]}")
        printed = self._bash(command)
        for begin, action in BY_HAND.items():
            if text.startswith(begin):
                (self._folder / "printed").write_text(printed)
                self._bash(action)
        return printed

    def translated(self, text: str) -> str:
        """The command as it is run here."""
        command = re.sub(r"\s{2,}#.*$", "", text.replace("\\\n", " "))
        for begin, (_, other) in INSTEAD.items():
            if command.startswith(begin):
                return other
        for begin, options in MADE_SMALLER.items():
            if command.startswith(begin):
                command = f"{command} {options}"
        for name, meaning in STANDS_FOR.items():
            command = re.sub(name, lambda _, meaning=meaning: meaning.format(**self._names), command)
        return command

    def _bash(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command}\nexited with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def _serve(self, command: str) -> str:
        self._stop_server()
        log = self._folder / "server.log"
        with log.open("wb") as file:
            self._server = subprocess.Popen(
                ["bash", "-c", command], cwd=self._folder, env=self._environment, stdout=file, stderr=file
            )
        give_up = time.monotonic() + 200
        while time.monotonic() < give_up and self._server.poll() is None:
            try:
                if httpx.get(f"http://127.0.0.1:{self._port}/readyz").status_code == 200:
                    return log.read_text()
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{command}\ndoes not serve:\n{log.read_text()}")

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.terminate()
            code = self._server.wait(timeout=100)
            self._server = None
            assert code == 0, (self._folder / "server.log").read_text()


def _copy_checkout(folder: Path) -> None:
    """What commands may write to is copied, the rest linked; there is nothing to set up, and no run yet."""
    for entry in ROOT.iterdir():
        if entry.name in ("docs", "scripts"):
            shutil.copytree(entry, folder / entry.name)
        elif entry.name == "docker":
            shutil.copytree(entry, folder / entry.name, ignore=shutil.ignore_patterns("secrets"))
        elif not entry.name.startswith(".") and entry.name != "runs":
            (folder / entry.name).symlink_to(entry)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "scripts" / "setup").write_text("#!/bin/sh\n")
