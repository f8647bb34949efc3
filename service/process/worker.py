"""One worker of several, in a process that a supervisor has spawned."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.app import create_app
from service.models.wishes import Wishes
from service.process.group import Group
from service.process.refusal import refuse
from service.process.running import Running, keep_what_is_there
from service.server import make_server
from service.settings import Settings
from service.telemetry.logs import configure_logging
from service.telemetry.metrics import share_metrics

logger = logging.getLogger(__name__)

END_AT_ONCE = signal.SIGUSR1
"""Tells a worker to end at once. A second SIGTERM does not: a service manager may send one to every process of the
group, beside the one that the supervisor passes on."""


@dataclass(frozen=True)
class Membership:
    """What a worker has in common with the others.

    Attributes:
        number: its own, counted from 0.
        replaces: whether it takes the place of a worker that died.
        folder: of the files that they share: metrics, and which models to serve.
    """

    group: Group
    number: int
    replaces: bool
    folder: Path


def run_worker(settings: Settings, sockets: Sequence[socket.socket], membership: Membership) -> None:
    """Serves until the supervisor ends it, or is gone; ends the process with its exit code."""
    configure_logging(settings.log_level, settings.log_format)
    # A terminal's Ctrl-C goes to every process; that the server ends is for the supervisor to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    share_metrics(membership.folder, membership.number)
    try:
        wishes = Wishes(settings.references, file=membership.folder / "wishes.json")
        app = create_app(settings, gate=membership.group.closed_because, wishes=wishes)
    except Exception as error:  # noqa: BLE001 -- it is logged
        sys.exit(refuse(error))
    if membership.replaces:
        app.state.runtime.metrics.worker_restarts.inc()

    def on_ready() -> None:
        keep_what_is_there()
        membership.group.note(membership.number, loaded=True)

    server = make_server(
        app,
        settings,
        sockets,
        listen_at_once=not membership.group.is_open,
        on_ready=on_ready,
        ends_for_all=lambda: membership.group.is_ending,
    )
    threading.Thread(target=_drain_without_supervisor, args=(membership.group,), daemon=True).start()
    actions = {signal.SIGTERM: lambda running, _: running.drain(), END_AT_ONCE: Running.end}
    sys.exit(Running(server).run(actions))


def _drain_without_supervisor(group: Group) -> None:
    """A worker that nobody would end any more would keep the port."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        supervisor.join()
        logger.error("the supervisor is gone: this worker drains")
        group.end()
        os.kill(os.getpid(), signal.SIGTERM)
