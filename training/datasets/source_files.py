"""The files that a data set is read from, and their hashes."""

import hashlib
from pathlib import Path

from training.datasets.dataset import DatasetError


class SourceFiles:
    """A folder of official files. `hashes` holds the sha256 of every file that was asked for, by the file's name."""

    def __init__(self, folder: Path, hashes: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.hashes: dict[str, str] = {} if hashes is None else hashes

    def below(self, name: str) -> "SourceFiles":
        """The folder `name` in this one, or this one if there is none; the hashes are kept together."""
        folder = self.folder / name
        return SourceFiles(folder if folder.is_dir() else self.folder, self.hashes)

    def path(self, *names: str) -> Path:
        """Where the first of `names` lies that there is.

        Raises:
            DatasetError: none of them is in the folder.
        """
        for name in names:
            path = self.folder / name
            if path.is_file():
                with path.open("rb") as file:
                    self.hashes[name] = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
                return path
        others = "".join(f", nor {name}" for name in names[1:])
        raise DatasetError(
            f"{self.folder / names[0]}: no such file{others}; expected the official files in that folder"
        )
