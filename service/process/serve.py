"""From settings to an exit code."""

import logging
import signal
import socket
from collections.abc import Sequence

from eabs.cores import physical_cores
from service.app import create_app
from service.models.served_model import resolve_devices
from service.process.listening import bind, url_of
from service.process.refusal import refuse
from service.process.running import Running, keep_what_is_there
from service.process.supervisor import Supervisor
from service.security.exposure import load_keys
from service.server import make_server
from service.settings import Settings
from service.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> int:
    """Serves until SIGTERM or SIGINT, and drains then; a second signal ends it at once.

    Returns:
        The exit code, see `ExitCode`; what could not be is logged.
    """
    configure_logging(settings.log_level, settings.log_format)
    try:
        workers = settings_of_workers(settings)
        load_keys(settings)
        sockets = bind(settings.host, settings.port)
        logger.info("listening on %s", ", ".join(url_of(listener) for listener in sockets))
        if len(workers) > 1:
            return Supervisor(workers, sockets).run()
        return _serve_alone(settings, sockets)
    except Exception as error:  # noqa: BLE001 -- it is logged
        return refuse(error)


def _serve_alone(settings: Settings, sockets: Sequence[socket.socket]) -> int:
    def on_signal(running: Running, number: signal.Signals) -> None:
        if running.server.draining:
            running.end(number)
        else:
            running.drain()

    running = Running(make_server(create_app(settings), settings, sockets, on_ready=keep_what_is_there))
    return running.run({signal.SIGTERM: on_signal, signal.SIGINT: on_signal})


def settings_of_workers(settings: Settings) -> list[Settings]:
    """What each worker serves with: a GPU of its own, or its share of the CPU's cores.

    Raises:
        ValueError: CUDA was asked for and is not there, or there are fewer GPUs than workers.
    """
    devices = resolve_devices(settings.device)
    count = settings.workers
    if count == 1:
        return [settings]
    if devices[0].type == "cpu":
        share = {"device": "cpu", "threads": settings.threads or max(1, physical_cores() // count)}
        return [settings.model_copy(update=share)] * count
    if count > len(devices):
        raise ValueError(f"workers: expected at most one for each of {len(devices)} GPUs, got {count}")
    return [settings.model_copy(update={"device": f"cuda:{device.index}"}) for device in devices[:count]]
