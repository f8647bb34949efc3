"""The `eabs` command as a process of its own: arguments, environment, signals, exit code.

Processes come from a fork server that has imported the command and done nothing else, since importing torch takes
longer than most of these tests.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

fork_server = multiprocessing.get_context("forkserver")
fork_server.set_forkserver_preload(["cli.main", __name__])


def start_eabs(
    *arguments: object,
    log: Path,
    environment: Mapping[str, str] | None = None,
    setup: Callable[[], None] | None = None,
) -> BaseProcess:
    """Starts the command; what it writes to standard error goes to the file `log`, beside which it keeps temporary
    files. `setup`, which must be importable, runs in it first."""
    words = [str(argument) for argument in arguments]
    process = fork_server.Process(target=_eabs, args=(words, environment or {}, log, setup))
    process.start()
    return process


def _eabs(arguments: list[str], environment: Mapping[str, str], log: Path, setup: Callable[[], None] | None) -> None:
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment, TMPDIR=str(log.parent))
    # Multiprocessing's children ignore it, which a command that somebody has typed does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = ["eabs", *arguments]
    if setup is not None:
        setup()
    from cli.main import main

    main()
