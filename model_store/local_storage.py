"""A store in a folder of this machine: versions are folders that are renamed into place.

Writers of one model take turns under a lock on its folder. Reading takes no lock and writes nothing, so the root may
be read-only.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model_store import disk
from model_store.errors import InvalidName, VersionExists
from model_store.names import is_name, path_below


class LocalStorage:
    """The models below the folder `root`; symbolic links are followed only within it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def location(self) -> str:
        """The folder."""
        return str(self._root)

    def check_inside(self, *names: str) -> None:
        """Raises InvalidName where a link leads out of the root."""
        path_below(self._root, *names)

    def names(self) -> list[str]:
        """The models that have a version."""
        return [name for name in self._subfolders() if self._subfolders(name)]

    def versions(self, name: str) -> list[str]:
        """The versions of a model."""
        return self._subfolders(name)

    def files(self, name: str, version: str) -> set[str]:
        """What lies in a version's folder."""
        return {entry.name for entry in path_below(self._root, name, version).iterdir()}

    def read(self, *names: str) -> bytes:
        """The content of a file; FileNotFoundError where there is none."""
        path = path_below(self._root, *names)
        # A pipe would block for ever, and a folder has no bytes.
        if not path.is_file():
            raise FileNotFoundError(path)
        return path.read_bytes()

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Makes the model's folder, waits until no other process writes to it, and sweeps it."""
        folder = path_below(self._root, name)
        disk.make_folder(folder)
        with disk.locked(folder):
            disk.sweep(folder)
            yield

    def unfinished(self, name: str) -> set[str]:  # noqa: ARG002 - the lock keeps others out
        """None: unfinished folders have names that no version has."""
        return set()

    def add(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Makes a version appear with all its files, at once."""
        try:
            disk.add_folder(path_below(self._root, name) / version, files)
        except FileExistsError as error:
            raise VersionExists(f"{name}/{version} exists, and versions are immutable") from error

    def remove(self, name: str, version: str) -> None:
        """Makes a version disappear at once, and frees its space after."""
        disk.remove_folder(path_below(self._root, name) / version)

    def replace(self, name: str, file: str, data: bytes) -> None:
        """Gives the file this content, at once."""
        disk.replace_file(path_below(self._root, name) / file, data)

    def _subfolders(self, *names: str) -> list[str]:
        try:
            entries = list((path_below(self._root, *names) if names else self._root).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [entry.name for entry in entries if self._is_subfolder(*names, entry.name)]

    def _is_subfolder(self, *names: str) -> bool:
        try:
            # One link that leads out of the store must not hide all other models.
            return is_name(names[-1]) and path_below(self._root, *names).is_dir()
        except InvalidName:
            return False
