"""Objects below a URL, by way of fsspec: read, listed, created, replaced, removed, each within a time limit.

fsspec keeps nothing of what it saw: a listing is always the store's own, so that a new version is seen at once.
"""

import os
import re
from functools import partial
from threading import Lock
from typing import Any

import fsspec  # type: ignore[import-untyped]
from fsspec.asyn import sync  # type: ignore[import-untyped]

from model_store.errors import InvalidName, InvalidRoot, StoreUnreachable

SHORT_TIMEOUT = 20.0
"""Time for a listing, a removal or a small object, in s."""

LONG_TIMEOUT = 300.0
"""Time for a file of a version, in s."""

_PART = re.compile(r"[a-z0-9._-]{1,255}")
_CREDENTIALS = re.compile(r"(?<=://)[^/@]*@")
_PACKAGES = {"s3": "'eabs-server[s3]'", "s3a": "'eabs-server[s3]'", "gs": "gcsfs", "gcs": "gcsfs"}


class RemoteFolder:
    """What lies below `url`, such as `s3://bucket/prefix`. Opened on first use; serves any thread, and forks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._opened: tuple[int, Any, str] | None = None

    @property
    def location(self) -> str:
        """The URL without credentials."""
        return _CREDENTIALS.sub("", self._url).rstrip("/")

    def list(self, *names: str) -> set[str]:
        """The paths of all objects below `names`, relative to there; none where there is nothing.

        Raises:
            StoreUnreachable, InvalidRoot.
        """
        folder = self._path(*names)
        try:
            found = self._call("find", folder, timeout=SHORT_TIMEOUT)
        except FileNotFoundError:
            return set()
        prefix = folder.strip("/") + "/" if folder.strip("/") else ""
        paths = (str(path).strip("/") for path in found)
        return {path.removeprefix(prefix) for path in paths if path.startswith(prefix)}

    def read(self, *names: str, timeout: float = LONG_TIMEOUT) -> bytes:
        """The object's bytes; `timeout` in s.

        Raises:
            FileNotFoundError: there is no such object.
            StoreUnreachable, InvalidRoot.
        """
        return bytes(self._call("cat_file", self._path(*names), timeout=timeout))

    def create(self, data: bytes, *names: str) -> bool:
        """Makes an object of these bytes unless there is one; says whether the one that is there now has them.

        Where the implementation of fsspec puts conditionally (S3's does), two that create at once cannot both be told
        so, unless they write the same. Elsewhere it looks first and writes then.

        Raises:
            StoreUnreachable: whether it was made is not known.
            InvalidRoot.
        """
        try:
            # Not left to fsspec alone: an implementation may not know the mode.
            if self._exists(*names):
                raise FileExistsError("it is there")
            self._put(data, *names, mode="create")
        except (FileExistsError, StoreUnreachable) as error:
            # An answer may have been lost and the object made by the first try; and stores differ in how they refuse.
            try:
                return self.read(*names) == data
            except FileNotFoundError:
                raise error if isinstance(error, StoreUnreachable) else self._unreachable(error) from error
        return True

    def replace(self, data: bytes, *names: str) -> None:
        """Makes or replaces the object.

        Raises:
            StoreUnreachable: whether it was replaced is not known.
            InvalidRoot.
        """
        self._put(data, *names, mode="overwrite")

    def remove(self, *names: str) -> None:
        """Removes the object, if it is there.

        Raises:
            StoreUnreachable, InvalidRoot.
        """
        try:
            self._call("rm_file", self._path(*names), timeout=SHORT_TIMEOUT)
        except FileNotFoundError:
            return

    def _exists(self, *names: str) -> bool:
        try:
            self._call("info", self._path(*names), timeout=SHORT_TIMEOUT)
        except FileNotFoundError:
            return False
        return True

    def _put(self, data: bytes, *names: str, mode: str) -> None:
        try:
            self._call("pipe_file", self._path(*names), data, mode=mode, timeout=LONG_TIMEOUT)
        except FileNotFoundError as error:
            raise self._unreachable(error) from error

    def _path(self, *names: str) -> str:
        for name in names:
            if not _PART.fullmatch(name) or set(name) == {"."}:
                raise InvalidName(f"{'/'.join(names)!r} leaves the store")
        _, root = self._filesystem()
        return "/".join((root, *names))

    def _call(self, method: str, *args: Any, timeout: float, **options: Any) -> Any:
        filesystem, _ = self._filesystem()
        try:
            if filesystem.async_impl:
                work = partial(getattr(filesystem, f"_{method}"), *args, **options)
                return sync(filesystem.loop, work, timeout=timeout)
            return getattr(filesystem, method)(*args, **options)
        except (FileNotFoundError, FileExistsError):
            raise
        except Exception as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> StoreUnreachable:
        return StoreUnreachable(f"{self.location}: {type(error).__name__}: {error}".removesuffix(": "))

    def _filesystem(self) -> tuple[Any, str]:
        with self._lock:
            # A connection does not outlive a fork.
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = (os.getpid(), *self._open())
            return self._opened[1:]

    def _open(self) -> tuple[Any, str]:
        protocol, _, place = self._url.partition("://")
        if "::" in self._url or not place.strip("/"):
            raise InvalidRoot(f"expected a URL of one protocol, such as s3://bucket/prefix, got {self.location!r}")
        try:
            filesystem, root = fsspec.url_to_fs(self._url, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            package = _PACKAGES.get(protocol)
            how = f"pip install {package}" if package else str(error)
            raise InvalidRoot(f"{self.location}: {protocol}:// needs a package that is not installed: {how}") from error
        except ValueError as error:
            raise InvalidRoot(f"{self.location}: {error}") from error
        except Exception as error:
            raise self._unreachable(error) from error
        return filesystem, str(root).rstrip("/")
