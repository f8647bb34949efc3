"""Whether a file is the one that its owner published."""

import gzip
import hashlib
import zlib
from enum import StrEnum
from pathlib import Path

from training.datasets.dataset import DatasetError
from training.datasets.official_files import OfficialFile
from training.datasets.source_files import file_digest

_CHUNK = 1 << 20


class Verification(StrEnum):
    """What is known of a copy of a file."""

    OFFICIAL = "official file"
    """It has the published hash."""

    CONTENT = "content verified"
    """It was packed in another way, and what is in it has the hash of what is in the published file."""

    UNKNOWN = "unknown copy"
    """It is not the published file: another one, a part of it, or a changed one."""

    UNPUBLISHED = "no published hash"
    """It is called as the published file, of which no hash is known."""


def verify(path: Path, official: OfficialFile | None) -> Verification:
    """Compares a file with the published one; `official` is None where it stands for none.

    Raises:
        DatasetError: the file cannot be read.
    """
    if official is None:
        return Verification.UNKNOWN
    if path.name == official.name:
        if official.md5 is None:
            return Verification.UNPUBLISHED
        if file_digest(path, "md5") == official.md5:
            return Verification.OFFICIAL
    same = official.content_sha256 is not None and _content_sha256(path) == official.content_sha256
    return Verification.CONTENT if same else Verification.UNKNOWN


def _content_sha256(path: Path) -> str:
    """Of what is in a .gz file, or of another file as it is."""
    if path.suffix != ".gz":
        return file_digest(path, "sha256")
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: not a complete gzip file: {error}") from error
    return digest.hexdigest()
