"""The last resort, in processes that would not end by themselves."""

import subprocess
import sys

HANGING = """
import threading, time
from service.process.watchdog import Watchdog
watchdog = Watchdog(lambda: 4)
{orders}
threading.Thread(target=time.sleep, args=(3600,)).start()
"""


def end(orders: str) -> tuple[int, str]:
    """The exit code, and standard error, of a process with a thread that does not end."""
    command = [sys.executable, "-c", HANGING.format(orders=orders)]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    return ended.returncode, ended.stderr


def test_a_process_whose_threads_do_not_end_is_ended_with_its_last_words() -> None:
    assert end("watchdog.end_in(0.1, 3, 'time is up')") == (3, "time is up: 4 accepted requests get no answer\n")


def test_the_earliest_order_counts() -> None:
    assert end("watchdog.end_in(900, 3, 'late'); watchdog.end_in(0, 143, 'now')")[0] == 143
    assert end("watchdog.end_in(0.2, 3, 'soon'); watchdog.end_in(900, 143, 'late')")[0] == 3


def test_an_unread_log_does_not_keep_the_process() -> None:
    stuck = "import logging; h = logging.StreamHandler(); logging.getLogger().addHandler(h); h.acquire(); "
    assert end(stuck + "watchdog.end_in(0, 3, 'time is up')") == (3, "")
