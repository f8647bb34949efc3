import gzip
import hashlib
from pathlib import Path

import pytest

from training.datasets import DatasetError
from training.datasets.official_files import OfficialFile
from training.datasets.verification import Verification, verify

CONTENT = b"images" * 100
PACKED = gzip.compress(CONTENT, mtime=1)
OFFICIAL = OfficialFile(
    "images.gz",
    ("https://example.org/images.gz",),
    md5=hashlib.md5(PACKED).hexdigest(),  # noqa: S324
    content_sha256=hashlib.sha256(CONTENT).hexdigest(),
    instead=("images",),
)


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_the_published_file_is_recognised(tmp_path: Path) -> None:
    assert verify(written(tmp_path, "images.gz", PACKED), OFFICIAL) is Verification.OFFICIAL


def test_content_that_was_packed_again_is_recognised(tmp_path: Path) -> None:
    again = gzip.compress(CONTENT, compresslevel=1, mtime=2)
    assert verify(written(tmp_path, "images.gz", again), OFFICIAL) is Verification.CONTENT


def test_unpacked_content_is_recognised(tmp_path: Path) -> None:
    assert verify(written(tmp_path, "images", CONTENT), OFFICIAL) is Verification.CONTENT


@pytest.mark.parametrize(
    ("name", "data"), [("images.gz", gzip.compress(CONTENT[:-1], mtime=0)), ("images", CONTENT[:-1])]
)
def test_other_content_is_an_unknown_copy(tmp_path: Path, name: str, data: bytes) -> None:
    assert verify(written(tmp_path, name, data), OFFICIAL) is Verification.UNKNOWN


def test_what_stands_for_an_official_file_without_being_it_is_an_unknown_copy(tmp_path: Path) -> None:
    archive = OfficialFile("signs.zip", (), instead=("signs.npz",))
    assert verify(written(tmp_path, "signs.npz", b""), archive) is Verification.UNKNOWN
    assert verify(written(tmp_path, "other.npz", b""), None) is Verification.UNKNOWN


def test_a_file_without_a_published_hash_is_told_as_that(tmp_path: Path) -> None:
    assert verify(written(tmp_path, "signs.zip", b""), OfficialFile("signs.zip", ())) is Verification.UNPUBLISHED


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a complete gzip file"):
        verify(written(tmp_path, "images.gz", PACKED[:-9]), OFFICIAL)
