"""What a process says by its exit code."""

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """Every code but those of signals. A wrong call, a wrong setting too, is 2, as with every command."""

    OK = 0
    FAILED = 1
    """It could not start, or could not go on."""
    WRONG_CALL = 2
    REQUESTS_LOST = 3
    """The time to drain was over before every accepted request was answered."""


def ended_by(number: int) -> int:
    """The code of a process that a signal ended at once, as a shell would say it."""
    return 128 + signal.Signals(number)
