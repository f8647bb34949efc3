"""A run in a process of its own, which is killed once `LAST` images are done: SOURCE OUTPUT STORE LAST."""

import os
import signal
import sys
from pathlib import Path

from service.bulk import parts
from service.bulk.run import Task, score_in_bulk
from service.choices import ClassifyChoice
from service.settings import Settings


def main(source: str, output: str, store: str, last: str) -> None:
    """Does the run; parts are of 8 rows."""
    parts._PART_ROWS = 8
    settings = Settings(store=store, cache_dir=None, device="cpu", threads=2)

    def kill_at_last(done: int, _: int) -> None:
        if done >= int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    score_in_bulk(Task(Path(source), Path(output), settings, ClassifyChoice()), progress=kill_at_last)


if __name__ == "__main__":
    main(*sys.argv[1:])
