"""Writing so that a crash at any moment leaves the old state or the new, and left-overs that no reader sees.

Everything unfinished has a name that starts with a dot, which no model, version or alias can have.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LEFT_OVER_AGE = 3600.0

_LOCK_FILE = ".lock"
_PUBLISHING, _REPLACING, _DELETED = ".publishing-", ".replacing-", ".deleted-"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other writers of the folder out; the kernel lets them in again when this one ends, however it ends."""
    lock = os.open(folder / _LOCK_FILE, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def make_folder(folder: Path) -> None:
    """Makes the folder, if it is not there, and those above it."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync(folder.parent)


def add_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Makes a folder with these files appear at once.

    Raises:
        FileExistsError: something of this name is there.
    """
    unfinished = _beside(folder, _PUBLISHING)
    unfinished.mkdir()
    try:
        for name, data in files.items():
            _write(unfinished / name, data)
        _sync(unfinished)
        _rename_to_new(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    _sync(folder.parent)


def replace_file(file: Path, data: bytes) -> None:
    """Gives the file this content, at once."""
    unfinished = _beside(file, _REPLACING)
    try:
        _write(unfinished, data)
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync(file.parent)


def remove_folder(folder: Path) -> None:
    """Makes the folder disappear at once, and frees its space after."""
    removed = _beside(folder, _DELETED)
    folder.rename(removed)
    _sync(folder.parent)
    if removed.is_symlink():
        removed.unlink()
    else:
        shutil.rmtree(removed)


def sweep(folder: Path, *, older_than: float = LEFT_OVER_AGE) -> None:
    """Removes what killed writers left in the folder more than `older_than` seconds ago."""
    oldest = time.time() - older_than
    for entry in list(folder.iterdir()):
        if not entry.name.startswith((_PUBLISHING, _REPLACING, _DELETED)):
            continue
        try:
            young = entry.lstat().st_mtime > oldest
        except FileNotFoundError:
            # Its writer finished.
            continue
        if young:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _beside(path: Path, prefix: str) -> Path:
    return path.with_name(prefix + secrets.token_hex(8))


def _rename_to_new(source: Path, target: Path) -> None:
    # rename() itself refuses a folder with content and a file, which is what a racing publisher would have made.
    try:
        source.rename(target)
    except OSError as error:
        if os.path.lexists(target):
            raise FileExistsError(f"{target} exists") from error
        raise


def _write(file: Path, data: bytes) -> None:
    with file.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
