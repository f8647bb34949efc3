"""The last resort: a process ends when it must, whatever its threads do.

A thread in a CUDA kernel or a long certificate cannot be cancelled, and the interpreter waits for every thread before
it ends. So where the time is up nobody is asked: what is logged is flushed, and the kernel ends the process.
"""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import NoReturn

logger = logging.getLogger(__name__)

# Whoever reads the log may have stopped reading, which must not keep the process.
_LAST_WORDS_S = 1.0


def end_process(code: int, message: str) -> NoReturn:
    """Logs why, flushes the logs, and ends the process without waiting for any thread."""

    def last_words() -> None:
        logger.critical("%s", message)
        logging.shutdown()

    speaker = threading.Thread(target=last_words, daemon=True)
    speaker.start()
    speaker.join(_LAST_WORDS_S)
    os._exit(code)


class Watchdog:
    """A thread that ends the process when it is told to, or when a limit has passed."""

    def __init__(self, count_unanswered: Callable[[], int]) -> None:
        """Args:
        count_unanswered: accepted requests that the end would leave without an answer.
        """
        self._count_unanswered = count_unanswered
        # The only queue that a signal's handler may put into whatever it has interrupted.
        self._orders: queue.SimpleQueue[tuple[float, int, str]] = queue.SimpleQueue()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def end_in(self, seconds: float, code: int, why: str) -> None:
        """Ends the process with this code in `seconds`, unless it has ended by then, or an earlier order came."""
        self._orders.put((time.monotonic() + seconds, code, why))

    def _watch(self) -> None:
        order = self._orders.get()
        while (left := order[0] - time.monotonic()) > 0:
            try:
                order = min(order, self._orders.get(timeout=left))
            except queue.Empty:
                break
        _, code, why = order
        end_process(code, f"{why}: {self._count_unanswered()} accepted requests get no answer")
