"""A server in a process of its own that tells, at SIGUSR1, what it holds.

`python -m tests.service.chaos.watched_server REPORT` serves by the settings of its environment and writes REPORT.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import threading
from pathlib import Path

from service.app import create_app
from service.server import make_server
from service.settings import Settings


def report(file: Path) -> None:
    """Writes what this process holds now: tasks by name, open files, threads, objects, and memory in bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    held = {
        "tasks": sorted(task.get_name() for task in asyncio.all_tasks()),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - a path of each would open one more
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
    }
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps(held))
    unfinished.replace(file)


async def main(file: Path) -> None:
    settings = Settings()
    server = make_server(create_app(settings), settings)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, report, file)
    loop.add_signal_handler(signal.SIGTERM, server.begin_drain)
    await server.serve()
    sys.exit(server.exit_code)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
