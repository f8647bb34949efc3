"""A real server on a free port, in a thread with its own event loop."""

import asyncio
import threading
import time
from types import TracebackType
from typing import Self

import httpx

from service.app import create_app
from service.process.listening import bind, url_of
from service.server import make_server
from service.settings import Settings
from service.telemetry.tracing import Tracer


def wait_until_ready(url: str, *, seconds: float = 120) -> None:
    """Returns once /readyz says yes.

    Raises:
        TimeoutError: it never did.
    """
    last = "no answer"
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            answer = httpx.get(f"{url}/readyz")
            if answer.status_code == 200:
                return
            last = answer.text
        except httpx.TransportError as error:
            last = repr(error)
        time.sleep(0.05)
    raise TimeoutError(f"{url} did not become ready: {last}")


class RunningServer:
    """Serves between entering and leaving; leaving drains it."""

    def __init__(self, settings: Settings, *, tracer: Tracer | None = None, wait: bool = True) -> None:
        self._sockets = bind("127.0.0.1", 0)
        port = self._sockets[0].getsockname()[1]
        self.settings = settings.model_copy(update={"port": port, "drain_delay_s": 0.0})
        self.url = url_of(self._sockets[0])
        self.app = create_app(self.settings, tracer=tracer)
        self._wait = wait
        self._server = make_server(self.app, self.settings, self._sockets)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        if self._wait:
            wait_until_ready(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
