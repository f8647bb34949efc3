"""Versions of remote stores on disk: each file is fetched once, and a store that is down does not stop a start.

    <folder>/versions/<sha256 of the manifest>/<file>      the KEPT_VERSIONS that were used last
    <folder>/records/<sha256 of root, name>                sealed: the versions and aliases that a model last had
    <folder>/records/<sha256 of root, name, version>       sealed: the sha256 of the version's manifest

A cache only: whatever is wrong with it costs time and a logged warning, never an answer. Every file is checked against
the sha256 that its manifest gives before it is used, whenever it is used. Processes share it: files appear whole.
"""

import hashlib
import logging
import os
import re
import shutil
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model_store import disk
from model_store.errors import CorruptVersion
from model_store.fields import Name, Sha256
from model_store.manifest import MANIFEST_FILE
from model_store.seal import seal, sha256_of, unseal

KEPT_VERSIONS = 16
KEPT_RECORDS = 256

_SHA256 = re.compile(r"[0-9a-f]{64}")

_logger = logging.getLogger(__name__)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listing(_Record):
    """The versions of a model, in natural order, and its aliases."""

    versions: tuple[Name, ...] = Field(min_length=1)
    aliases: dict[Name, Name]


class _Digest(_Record):
    digest: Sha256


R = TypeVar("R", bound=_Record)


class VersionCache:
    """The versions of the store at `root` that were loaded on this machine, in `folder`, which other roots share."""

    def __init__(self, folder: Path, *, root: str) -> None:
        self._versions, self._records = folder / "versions", folder / "records"
        self._root = root

    def read(self, digest: str, file: str, *, expected: str) -> bytes | None:
        """The bytes of a version's file whose sha256 is `expected`; None where they are not here, or damaged."""
        path = self._folder(digest) / file
        try:
            if not path.is_file():
                return None
            data = path.read_bytes()
            os.utime(path.parent)
        except OSError as error:
            _logger.warning("%s cannot be read and is fetched again: %s", path, error)
            return None
        if (actual := sha256_of(data)) != expected:
            _logger.warning("%s is damaged and is fetched again: expected %s, found %s", path, expected, actual)
            return None
        return data

    def keep(self, digest: str, file: str, data: bytes) -> None:
        """Puts a version's file, whose sha256 was checked, in the cache, and removes what was not used for longest."""
        folder = self._folder(digest)
        try:
            _make(folder)
            disk.replace_file(folder / file, data)
            disk.sweep(folder)
            _prune(self._versions, KEPT_VERSIONS)
        except OSError as error:
            _logger.warning("%s is not kept: %s", folder / file, error)

    def remember_listing(self, name: str, listing: Listing) -> None:
        """Notes what a model has now."""
        self._remember(listing, name)

    def recall_listing(self, name: str) -> Listing | None:
        """What a model had when it was last noted; None if it never was."""
        return self._recall(Listing, name)

    def remember_version(self, name: str, version: str, manifest: bytes) -> None:
        """Keeps the manifest of a version, and notes that it is this version's."""
        digest = sha256_of(manifest)
        if self.read(digest, MANIFEST_FILE, expected=digest) is None:
            self.keep(digest, MANIFEST_FILE, manifest)
        self._remember(_Digest(digest=digest), name, version)

    def recall_version(self, name: str, version: str) -> bytes | None:
        """The manifest that a version had when it was last noted; None if it is not here."""
        record = self._recall(_Digest, name, version)
        return None if record is None else self.read(record.digest, MANIFEST_FILE, expected=record.digest)

    def _remember(self, record: _Record, *names: str) -> None:
        file, data = self._record(*names), seal(record.model_dump(mode="json"))
        try:
            # Asked again and again, a store mostly says the same.
            if file.is_file() and file.read_bytes() == data:
                return
            _make(file.parent)
            disk.replace_file(file, data)
            disk.sweep(file.parent)
            _prune(file.parent, KEPT_RECORDS)
        except OSError as error:
            _logger.warning("%s is not kept: %s", file, error)

    def _recall(self, kind: type[R], *names: str) -> R | None:
        file = self._record(*names)
        try:
            return kind.model_validate_json(unseal(file.read_bytes(), file=str(file)))
        except FileNotFoundError:
            return None
        except (OSError, CorruptVersion, ValidationError) as error:
            _logger.warning("%s is not used: %s", file, error)
            return None

    def _folder(self, digest: str) -> Path:
        return self._versions / digest.removeprefix("sha256:")

    def _record(self, *names: str) -> Path:
        return self._records / hashlib.sha256("\n".join((self._root, *names)).encode()).hexdigest()


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _prune(folder: Path, kept: int) -> None:
    """Keeps the entries that were used last. Names that are not the cache's own are left alone."""
    ages = []
    for entry in folder.iterdir():
        try:
            if _SHA256.fullmatch(entry.name):
                ages.append((entry.lstat().st_mtime, entry))
        except FileNotFoundError:
            continue
    for _, entry in sorted(ages, reverse=True)[kept:]:
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
