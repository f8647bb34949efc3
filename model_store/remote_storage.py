"""A store below a URL, where nothing can be renamed: a version is there when its manifest is, and that comes last.

    <name>/<version>/weights.safetensors     first
    <name>/<version>/manifest.json           last; without it readers see no version
    <name>/aliases.json                      one object, replaced whole
    <name>/.publishing/<version>/...         who writes the version now (claims.py)

No file of a version is ever overwritten. Aliases have no claim: of two that move them at once, the last one wins.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from model_store import claims
from model_store.claims import Claim
from model_store.errors import VersionBusy, VersionExists
from model_store.manifest import MANIFEST_FILE
from model_store.names import ALIASES_FILE, is_name
from model_store.remote_folder import LONG_TIMEOUT, SHORT_TIMEOUT, RemoteFolder

_SMALL = {MANIFEST_FILE, ALIASES_FILE}

_logger = logging.getLogger(__name__)


class RemoteStorage:
    """The models below a URL, such as `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self._folder = RemoteFolder(url)

    @property
    def location(self) -> str:
        """The URL without credentials."""
        return self._folder.location

    def check_inside(self, *names: str) -> None:
        """Nothing to check: there are no links, and names that were checked cannot lead out."""

    def names(self) -> list[str]:
        """The models that have a version."""
        paths = (path.split("/") for path in self._folder.list())
        return sorted({parts[0] for parts in paths if is_name(parts[0]) and _is_version(parts[1:])})

    def versions(self, name: str) -> list[str]:
        """The versions of a model that have a manifest."""
        paths = (path.split("/") for path in self._folder.list(name))
        return [parts[0] for parts in paths if _is_version(parts)]

    def files(self, name: str, version: str) -> set[str]:
        """What lies in a version's folder."""
        return self._folder.list(name, version)

    def read(self, *names: str) -> bytes:
        """The content of a file; FileNotFoundError where there is none."""
        return self._folder.read(*names, timeout=SHORT_TIMEOUT if names[-1] in _SMALL else LONG_TIMEOUT)

    @contextmanager
    def writing(self, name: str) -> Iterator[None]:
        """Removes what killed writers left and nobody claims any more. Keeps nobody out."""
        self._sweep(name)
        yield

    def unfinished(self, name: str) -> set[str]:
        """The versions that are claimed."""
        return set(claims.unfinished(self._folder, name))

    def add(self, name: str, version: str, files: Mapping[str, bytes]) -> None:
        """Makes a version appear with all its files, at once.

        A failure removes what was made; where that fails as well, the claim stays, and the version is swept later.
        """
        claim = Claim.take(self._folder, name, version)
        if self._has_manifest(name, version):
            claim.release()
            raise VersionExists(f"{name}/{version} exists, and versions are immutable")
        made: list[str] = []
        try:
            self._clear(name, version)
            for file in sorted(files, key=lambda file: file == MANIFEST_FILE):
                claim.check()
                # Noted first: a put that seems to fail may have been done.
                made.append(file)
                if not self._folder.create(files[file], name, version, file):
                    made.pop()
                    raise VersionExists(f"{name}/{version}/{file} was written by another that made no claim")
        except BaseException:
            for file in reversed(made):
                self._folder.remove(name, version, file)
            claim.release()
            raise
        claim.release()

    def remove(self, name: str, version: str) -> None:
        """Makes a version disappear at once, and frees its space after."""
        claim = Claim.take(self._folder, name, version)
        self._folder.remove(name, version, MANIFEST_FILE)
        self._clear(name, version)
        claim.release()

    def replace(self, name: str, file: str, data: bytes) -> None:
        """Gives the file this content, at once."""
        self._folder.replace(data, name, file)

    def _has_manifest(self, name: str, version: str) -> bool:
        return MANIFEST_FILE in self._folder.list(name, version)

    def _clear(self, name: str, version: str) -> None:
        for file in filter(is_name, self._folder.list(name, version)):
            self._folder.remove(name, version, file)

    def _sweep(self, name: str) -> None:
        for version in claims.unfinished(self._folder, name):
            # Still claimed, or claimed again by another sweeper.
            with suppress(VersionBusy):
                claim = Claim.take(self._folder, name, version)
                if not self._has_manifest(name, version):
                    self._clear(name, version)
                    _logger.info("removed what was left of %s/%s, which nobody finished", name, version)
                claim.release()


def _is_version(parts: list[str]) -> bool:
    return len(parts) == 2 and parts[1] == MANIFEST_FILE and is_name(parts[0])
