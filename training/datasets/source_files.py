"""The files that a data set is read from, and their hashes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from training.datasets.dataset import DatasetError
from training.datasets.official_files import OfficialFile


class SourceFiles:
    """A folder of official files.

    Attributes:
        folder: where they lie.
        official: what is known of them, by name; messages say where a missing one can be had.
        hashes: `sha256:<hex>` of every file that was asked for, by its name.
        found: where each of these lies.
    """

    def __init__(self, folder: Path, official: Mapping[str, OfficialFile] | None = None) -> None:
        self.folder = folder
        self.official: Mapping[str, OfficialFile] = official or {}
        self.hashes: dict[str, str] = {}
        self.found: dict[str, Path] = {}

    def below(self, name: str) -> "SourceFiles":
        """The folder `name` in this one, or this one if there is none; what was asked for is kept together."""
        folder = self.folder / name
        files = SourceFiles(folder if folder.is_dir() else self.folder, self.official)
        files.hashes, files.found = self.hashes, self.found
        return files

    def has(self, name: str) -> bool:
        """Whether a file of this name is in the folder."""
        return (self.folder / name).is_file()

    def path(self, *names: str) -> Path:
        """Where the first of `names` lies that there is.

        Raises:
            DatasetError: none of them is in the folder, or the one that is cannot be read.
        """
        for name in names:
            path = self.folder / name
            if path.is_file():
                self.hashes[name] = "sha256:" + file_digest(path, "sha256")
                self.found[name] = path
                return path
        raise DatasetError(self._missing(names))

    def _missing(self, names: tuple[str, ...]) -> str:
        official = self.official.get(names[0])
        instead = names[1:] if official is None else official.instead
        others = "".join(f", nor {name}" for name in instead)
        message = f"{self.folder / names[0]}: no such file{others}; expected the official files in that folder"
        if official is None:
            return message
        return f"{message}. It can be had at {' or '.join(official.urls)} (`eabs data prepare --download` does it)"


def file_digest(path: Path, algorithm: str) -> str:
    """The hash of a file, in hexadecimal.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error}") from error
