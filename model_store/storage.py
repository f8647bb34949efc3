"""Where the files of a store lie: what a kind of place must be able to do, and which kind a root means."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from model_store.local_storage import LocalStorage
from model_store.remote_storage import RemoteStorage

StoreRoot = str | Path
"""A folder, or the URL of one that fsspec reaches: `s3://bucket/prefix`, `gs://bucket`, `memory://models`."""


class Storage(Protocol):
    """Models, versions and their files as bytes. Whoever calls has checked every name (`check_name`).

    All methods raise StoreUnreachable where the place does not answer, and may be called from any thread.
    """

    @property
    def location(self) -> str:
        """The root as it stands in messages, without credentials."""

    def check_inside(self, *names: str) -> None:
        """Raises InvalidName where these names lead out of the root."""

    def names(self) -> list[str]:
        """The models that have a version, in any order."""

    def versions(self, name: str) -> list[str]:
        """The versions of a model that readers may see, in any order."""

    def files(self, name: str, version: str) -> set[str]:
        """What lies in a version's folder."""

    def read(self, *names: str) -> bytes:
        """The content of the file `name/version/file` or `name/file`.

        Raises:
            FileNotFoundError: there is no such file.
        """

    def writing(self, name: str) -> AbstractContextManager[None]:
        """Surrounds every writing to a model, which need not exist: tidies up, and keeps others out if it can."""

    def unfinished(self, name: str) -> set[str]:
        """Versions that nobody sees and nobody may publish: others work on them, or were killed while they did."""

    def add(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Makes a version appear with all its files, at once.

        Raises:
            VersionExists: it is there.
            VersionBusy: it is unfinished.
        """

    def remove(self, name: str, version: str) -> None:
        """Makes a version disappear at once, and frees its space after.

        Raises:
            VersionBusy: it is unfinished.
        """

    def replace(self, name: str, file: str, data: bytes) -> None:
        """Gives the file `name/file` this content, at once."""


def storage_of(root: StoreRoot) -> Storage:
    """The storage that a root means; nothing is read yet. `file://` URLs are folders."""
    if isinstance(root, str) and root.startswith("file://"):
        return LocalStorage(Path(root.removeprefix("file://")))
    if isinstance(root, str) and "://" in root:
        return RemoteStorage(root)
    return LocalStorage(Path(root))
