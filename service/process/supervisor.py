"""Several workers behind one port: started together, replaced when they die, ended together.

The supervisor binds the port and never accepts. Workers share that one socket: a connection waits for whoever is
free, and where a worker dies only its own connections are lost (with SO_REUSEPORT each would have a queue of its own,
which would die with it). Workers are spawned, not forked, which torch and CUDA would not survive.
"""

import logging
import math
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType

from prometheus_client.multiprocess import mark_process_dead

from service.process.exit_code import ExitCode, ended_by
from service.process.group import Group
from service.process.worker import END_AT_ONCE, Membership, run_worker
from service.server import CLOSING_S
from service.settings import Settings

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0
# Who has lived so long dies of something else than its start.
_SETTLED_S = 60.0
# Past its own limits, a worker that has not ended is killed.
_KILL_AFTER_LIMIT_S, _KILL_AFTER_ORDER_S = 5.0, 2.0


@dataclass
class _Worker:
    number: int
    settings: Settings
    process: SpawnProcess | None = None
    started: float = 0.0
    start_at: float = 0.0
    deaths: int = 0
    """In a row, each soon after the start."""


class Supervisor:
    """Runs in the main thread of a process that does nothing else."""

    def __init__(self, settings: Sequence[Settings], sockets: Sequence[socket.socket]) -> None:
        """Args:
        settings: of every worker; when and how to drain are the first's.
        sockets: where to listen.
        """
        self._context = multiprocessing.get_context("spawn")
        self._workers = [_Worker(number, own) for number, own in enumerate(settings)]
        self._group = Group(self._context, len(settings))
        self._sockets = list(sockets)
        self._signals: list[signal.Signals] = []
        self._kill_at: float | None = None
        self._worst = 0
        self._ended_by: int | None = None

    def run(self) -> int:
        """Serves until a signal ends it, or until workers cannot be started.

        Returns:
            The exit code: the worst of the workers', or that of the second signal.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        with tempfile.TemporaryDirectory(prefix="eabs-workers-") as folder:
            try:
                return self._supervise(Path(folder))
            finally:
                self._send(signal.SIGKILL)
                for worker in self._workers:
                    if worker.process is not None:
                        worker.process.join()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals.append(signal.Signals(number))

    @property
    def _alive(self) -> list[SpawnProcess]:
        return [worker.process for worker in self._workers if worker.process is not None]

    @property
    def _draining(self) -> bool:
        return self._kill_at is not None

    def _supervise(self, folder: Path) -> int:
        while True:
            self._obey()
            if not self._draining:
                for worker in self._workers:
                    if worker.process is None and time.monotonic() >= worker.start_at:
                        self._start(worker, folder)
            wait([process.sentinel for process in self._alive], timeout=_POLL_S)
            for worker in self._workers:
                if worker.process is not None and worker.process.exitcode is not None:
                    mark_process_dead(worker.number, folder)
                    if not self._may_go_on(worker, worker.process):
                        return ExitCode.FAILED
            self._group.open_if_complete()
            if self._draining and not self._alive:
                return self._worst if self._ended_by is None else self._ended_by
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                logger.critical("%d workers have not ended in their time and are killed", len(self._alive))
                self._send(signal.SIGKILL)
                self._kill_at = math.inf

    def _obey(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if not self._draining:
                own = self._workers[0].settings
                limit = own.drain_delay_s + own.drain_timeout_s + CLOSING_S + _KILL_AFTER_LIMIT_S
                self._kill_at = time.monotonic() + limit
                logger.info("%s: the workers drain", number.name)
                # What connects after the workers have stopped to listen is refused, instead of left waiting.
                for listener in self._sockets:
                    listener.close()
                self._group.end()
                self._send(signal.SIGTERM)
            else:
                self._kill_at = time.monotonic() + _KILL_AFTER_ORDER_S
                self._ended_by = ended_by(number)
                logger.critical("a second signal, %s: the workers end at once", number.name)
                self._send(END_AT_ONCE)

    def _start(self, worker: _Worker, folder: Path) -> None:
        membership = Membership(self._group, worker.number, worker.started > 0, folder)
        worker.process = self._context.Process(
            target=run_worker,
            args=(worker.settings, self._sockets, membership),
            name=f"worker-{worker.number}",
            daemon=True,
        )
        worker.started = time.monotonic()
        # Until a worker has its own handlers, a terminal's Ctrl-C must not reach it: it inherits this.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            worker.process.start()
        finally:
            signal.signal(signal.SIGINT, self._on_signal)
        logger.info("worker %d has started as process %d", worker.number, worker.process.pid)

    def _may_go_on(self, worker: _Worker, process: SpawnProcess) -> bool:
        """Buries a worker, and decides whether the server goes on."""
        process.join()
        code = process.exitcode or 0
        ended = f"worker {worker.number} (process {process.pid}) ended {_in_words(code)}"
        was_loaded = self._group.is_loaded(worker.number)
        self._group.note(worker.number, loaded=False)
        worker.process = None
        if self._draining:
            # Who is ended before it has handlers of its own has accepted nothing.
            self._worst = max(self._worst, 0 if code == -signal.SIGTERM else _as_verdict(code))
            return True
        if not was_loaded and not (self._group.is_open and self._group.serving):
            logger.critical("%s before it was ready, and no other serves: the server ends", ended)
            return False
        settled = was_loaded and time.monotonic() - worker.started > _SETTLED_S
        worker.deaths = 0 if settled else worker.deaths + 1
        delay = 0.0 if settled else min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (worker.deaths - 1))
        worker.start_at = time.monotonic() + delay
        logger.error("%s: another takes its place in %g s", ended, delay)
        return True

    def _send(self, number: signal.Signals) -> None:
        for process in self._alive:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)


def _in_words(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"


def _as_verdict(code: int) -> int:
    """A worker's exit code as its server's; whoever was killed has left requests."""
    return ExitCode.REQUESTS_LOST if code < 0 else code
