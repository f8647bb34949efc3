"""A folder of image files, with the folders in it."""

import hashlib
import os
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

from service.bulk.errors import InputError
from service.bulk.sources.source import Item, Source

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


class Folder(Source):
    """Every PNG, JPEG and WebP below `root`, by their names' suffixes, sorted by name folder by folder.

    Links to folders are not followed, since they may lead in a circle. One folder's listing is in memory at a time, and
    those above it. The fingerprint is of names, sizes and times of change.
    """

    def __init__(self, root: Path) -> None:
        """Raises:
        InputError: there is no such file.
        """
        self._root = root
        self.count = 0
        digest = hashlib.sha256()
        for file in self._files():
            # A link to nowhere is an image that cannot be read: its row says so.
            status = file.stat() if file.exists() else file.lstat()
            digest.update(f"{self._id(file)}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
            self.count += 1
        if not self.count:
            raise InputError(f"{root}: expected at least one PNG, JPEG or WebP, got none")
        self.fingerprint = f"sha256:{digest.hexdigest()}"

    def items(self, start: int = 0) -> Generator[Item, None, None]:
        for file in islice(self._files(), start, None):
            yield Item(self._id(file), file)

    def _files(self) -> Iterator[Path]:
        try:
            yield from _below(self._root)
        except OSError as error:
            raise InputError(f"{error.filename}: expected a readable folder, got {error.strerror}") from error

    def _id(self, file: Path) -> str:
        # A name is bytes to the file system, and text to the output.
        return os.fsencode(file.relative_to(self._root)).decode(errors="backslashreplace")


def _below(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as listing:
        entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing)
    for name, is_folder in entries:
        path = folder / name
        if is_folder:
            yield from _below(path)
        elif path.suffix.lower() in _SUFFIXES:
            yield path
