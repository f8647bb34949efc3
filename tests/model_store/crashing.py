"""Runs every writing operation of the store once per filesystem call, and kills it right before that call.

`python -m tests.model_store.crashing FOLDER` leaves the stores as the killed processes left them in
`FOLDER/<kind>/<operation>/<n>/store`, the last n being the run that came through. One process imports torch; the
victims are its forks. The kinds are a folder and an object store, which is a folder without renames (disk_objects.py).
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import torch

from eabs.networks import EABS
from model_store.errors import ModelStoreError
from model_store.store import ModelStore
from tests.model_store.disk_objects import DiskObjects
from tests.model_store.small import ARCHITECTURE, small_bank, small_draft, small_prototypes

EVENTS = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "fcntl.flock"}

KINDS: dict[str, Callable[[Path], ModelStore]] = {
    "folder": ModelStore,
    "objects": lambda root: ModelStore(f"{DiskObjects.protocol}://{root}"),
}

OPERATIONS: dict[str, Callable[[ModelStore, EABS], object]] = {
    "first": lambda store, model: store.publish(model, small_draft(name="fresh"), aliases=["production"]),
    "next": lambda store, model: store.publish(
        model, small_draft(prototypes=small_prototypes()), prototypes=small_bank(), aliases=["production"]
    ),
    "alias": lambda store, _: store.set_alias("shapes", "production", "2"),
    "unalias": lambda store, _: store.remove_alias("shapes", "production"),
    "delete": lambda store, _: store.delete("shapes", "2"),
}


def prepare(store: ModelStore, model: EABS) -> None:
    """What every operation starts from: two versions of `shapes`, the first in production."""
    store.publish(model, small_draft(), aliases=["production"])
    store.publish(model, small_draft(seed=8))


def kill_before(call: int, root: Path) -> None:
    """Kills this process right before the given filesystem call, counted from 1.

    Before it an fsync loses half of its file: without the fsync, that is what a power failure may do.
    """
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in EVENTS and (event != "open" or str(args[0]).startswith(str(root))):
            count()

    fsync = os.fsync

    def torn_fsync(fd: Any) -> None:
        if calls + 1 == call:
            with suppress(OSError):
                os.ftruncate(fd, os.fstat(fd).st_size // 2)
        count()
        fsync(fd)

    os.fsync = torn_fsync
    sys.addaudithook(hook)


def run_victim(kind: str, operation: str, call: int, root: Path, model: EABS) -> NoReturn:
    """Never returns: a fork that went on would be a second parent."""
    status = 1
    try:
        kill_before(call, root)
        OPERATIONS[operation](KINDS[kind](root), model)
        status = 0
    except (ModelStoreError, OSError):
        traceback.print_exc()
    finally:
        os._exit(status)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = EABS(ARCHITECTURE)
    for kind, open_store in KINDS.items():
        prepare(open_store(folder / kind / "prepared" / "store"), model)
        for operation in OPERATIONS:
            kill_everywhere(kind, operation, folder / kind, model)


def kill_everywhere(kind: str, operation: str, folder: Path, model: EABS) -> None:
    """One victim a call, until one comes through."""
    call, killed = 0, True
    while killed:
        call += 1
        root = folder / operation / f"{call:03}" / "store"
        shutil.copytree(folder / "prepared" / "store", root)
        victim = os.fork()
        if victim == 0:
            run_victim(kind, operation, call, root, model)
        status = os.waitstatus_to_exitcode(os.waitpid(victim, 0)[1])
        if status not in (0, -signal.SIGKILL):
            sys.exit(f"{kind}, {operation}, call {call}: expected to be killed or to come through, got {status}")
        killed = status != 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
