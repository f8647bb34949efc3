"""One process that serves: its signals, and an end that nothing can put off."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType

from service.process.exit_code import ExitCode, ended_by
from service.process.watchdog import Watchdog, end_process
from service.server import CLOSING_S, DrainingServer

_MARGIN_S = 2.0
_LAST_THREADS_S = 10.0
# A thread that computes keeps the interpreter for this long from one that waits for it. The event loop waits anew
# after every system call, several times a request: by Python's default, 5 ms, that is what a probe would take.
_SWITCH_S = 0.0005

Action = Callable[["Running", signal.Signals], None]


def keep_what_is_there() -> None:
    """Takes all that is in memory out of the garbage collector's sight: what is imported, and once they are loaded the
    models. To look through it takes a quarter of a second, in which all threads wait. A model that is replaced is freed
    nevertheless, since no cycle holds it."""
    gc.collect()
    gc.freeze()


class Running:
    """A server in a process of its own, in its main thread."""

    def __init__(self, server: DrainingServer) -> None:
        self.server = server
        self._watchdog = Watchdog(lambda: server.unanswered)

    def drain(self) -> None:
        """Begins to drain; where that has not ended the process in its time, the watchdog does."""
        if not self.server.draining:
            self.server.begin_drain()
            settings = self.server.runtime.settings
            limit = settings.drain_delay_s + settings.drain_timeout_s + CLOSING_S + _MARGIN_S
            self._watchdog.end_in(limit, ExitCode.REQUESTS_LOST, "the time to end has passed")

    def end(self, number: signal.Signals) -> None:
        """Ends the process at once."""
        self._watchdog.end_in(0, ended_by(number), f"told to end at once by {number.name}")

    def run(self, actions: Mapping[signal.Signals, Action]) -> int:
        """Serves until an action ends it.

        Args:
            actions: what signals do.

        Returns:
            The exit code.
        """

        def handle(number: int, frame: FrameType | None) -> None:
            del frame
            known = signal.Signals(number)
            actions[known](self, known)

        for number in actions:
            signal.signal(number, handle)
        sys.setswitchinterval(_SWITCH_S)
        keep_what_is_there()
        try:
            asyncio.run(self._serve())
        except SystemExit:
            # Uvicorn's way to say that the application could not start; it has logged why.
            return ExitCode.FAILED
        return self.server.exit_code

    async def _serve(self) -> None:
        await self.server.serve()
        # The interpreter waits for threads that libraries have started.
        self._watchdog.end_in(_LAST_THREADS_S, self.server.exit_code, "a thread has not ended")
        if not self.server.closed:
            end_process(self.server.exit_code, "the engine is still at work that nobody waits for, and is left")
