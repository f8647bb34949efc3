"""What lies in a store of any kind, looked at and changed behind the store's back."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from model_store import StoreRoot


@dataclass(frozen=True)
class Place:
    """The files below a root, by their paths."""

    root: StoreRoot

    def files(self) -> dict[str, bytes]:
        """Every file but local stores' locks."""
        filesystem, base = self._open()
        prefix = base.strip("/") + "/"
        paths = (path for path in filesystem.find(base) if not path.endswith("/.lock"))
        return {path.strip("/").removeprefix(prefix): filesystem.cat_file(path) for path in paths}

    def write(self, path: str, data: bytes) -> None:
        filesystem, base = self._open()
        filesystem.pipe_file(f"{base}/{path}", data)

    def remove(self, path: str) -> None:
        filesystem, base = self._open()
        filesystem.rm_file(f"{base}/{path}")

    def copy(self, source: str, target: str) -> None:
        """Copies all files of a folder."""
        for path, data in self.files().items():
            if path.startswith(source + "/"):
                self.write(target + path.removeprefix(source), data)

    def _open(self) -> tuple[fsspec.AbstractFileSystem, str]:
        options = {} if "://" in str(self.root) else {"auto_mkdir": True}
        return fsspec.url_to_fs(str(self.root), use_listings_cache=False, skip_instance_cache=True, **options)


@dataclass(frozen=True)
class S3Server:
    """A server with one bucket."""

    bucket: str
    stop: Callable[[], None]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server that speaks S3, and an environment that leads to it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        stop = cache(server.stop)
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        try:
            bucket = f"models-{secrets.token_hex(4)}"
            fsspec.filesystem("s3", skip_instance_cache=True).mkdir(bucket)
            yield S3Server(bucket, stop)
        finally:
            stop()
