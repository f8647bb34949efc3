import gzip
import hashlib
import io
import random
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.datasets.file_server import Fault, FileServer, running_file_server
from training.datasets.download import DownloadError, Patience, download
from training.datasets.official_files import OfficialFile

CONTENT = gzip.compress(random.Random(0).randbytes(300_000), mtime=0)
OTHER = CONTENT[:1000] + b"changed" + CONTENT[1007:]
PATIENT = Patience(pause=0.01)
IMPATIENT = Patience(silence=0.5, pause=0.01)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running_file_server(**{"a.gz": CONTENT}) as running:
        yield running


def official(*urls: str, name: str = "a.gz", md5: str | None = None) -> OfficialFile:
    return OfficialFile(name, urls, md5 or hashlib.md5(CONTENT).hexdigest())  # noqa: S324


def get(file: OfficialFile, folder: Path, patience: Patience = PATIENT) -> list[tuple[int, int | None]]:
    """Downloads, and checks what there is afterwards; what was reported on the way."""
    reports: list[tuple[int, int | None]] = []
    path = download(file, folder, lambda done, total: reports.append((done, total)), patience=patience)
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    return reports


def test_a_file_arrives_as_it_is_stored_with_reports_on_the_way(server: FileServer, tmp_path: Path) -> None:
    reports = get(official(f"{server.url}/a.gz"), tmp_path / "new" / "folder")
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert len(reports) > 1


def test_a_broken_connection_goes_on_where_it_was(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault("cut", 100_000), Fault("cut", 50_000)]
    get(official(f"{server.url}/a.gz"), tmp_path)
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_that_falls_silent_is_asked_again_for_the_rest(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault("silence", 100_000)]
    get(official(f"{server.url}/a.gz"), tmp_path, IMPATIENT)
    assert server.asked[-1][1] is not None


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault("cut", 200_000)]
    with pytest.raises(DownloadError):
        get(official(f"{server.url}/a.gz"), tmp_path, Patience(attempts=1))
    reports = get(official(f"{server.url}/a.gz"), tmp_path)
    assert server.asked[-1] == ("/a.gz", "bytes=200000-")
    assert reports[0][0] > 200_000


def test_an_interrupted_download_is_resumed(server: FileServer, tmp_path: Path) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(official(f"{server.url}/a.gz"), tmp_path, interrupt)
    assert not (tmp_path / "a.gz").exists()
    get(official(f"{server.url}/a.gz"), tmp_path)
    assert server.asked[-1][1] is not None


def test_a_file_that_changed_on_the_server_starts_from_zero(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.gz"] = OTHER
    server.faults = [Fault("cut", 200_000)]
    with pytest.raises(DownloadError):
        get(official(f"{server.url}/a.gz"), tmp_path, Patience(attempts=1))
    server.files["/a.gz"] = CONTENT
    get(official(f"{server.url}/a.gz"), tmp_path)


@pytest.mark.parametrize("lacking", ["with_ranges", "with_etags"])
def test_a_server_that_cannot_resume_starts_from_zero(server: FileServer, tmp_path: Path, lacking: str) -> None:
    setattr(server, lacking, False)
    server.faults = [Fault("cut", 100_000)]
    get(official(f"{server.url}/a.gz"), tmp_path)
    assert len(server.asked) == 2


def test_another_place_does_not_go_on_with_the_file_of_the_first(server: FileServer, tmp_path: Path) -> None:
    server.files["/mirror/a.gz"] = CONTENT
    server.faults = [Fault("cut", 100_000)]
    get(official(f"{server.url}/a.gz", f"{server.url}/mirror/a.gz"), tmp_path, Patience(attempts=1))
    assert server.asked[-1] == ("/mirror/a.gz", None)


def test_a_whole_file_that_was_not_yet_named_is_not_downloaded_again(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault("cut", len(CONTENT) - 1)]
    with pytest.raises(DownloadError):
        get(official(f"{server.url}/a.gz"), tmp_path, Patience(attempts=1))
    (tmp_path / "a.gz.part").write_bytes(CONTENT)
    assert get(official(f"{server.url}/a.gz"), tmp_path) == []


def test_what_was_kept_and_is_damaged_is_downloaded_again(server: FileServer, tmp_path: Path) -> None:
    server.faults = [Fault("cut", 100_000)]
    with pytest.raises(DownloadError):
        get(official(f"{server.url}/a.gz"), tmp_path, Patience(attempts=1))
    (tmp_path / "a.gz.part").write_bytes(bytes(100_000))
    get(official(f"{server.url}/a.gz"), tmp_path)
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", None]


@pytest.mark.parametrize("note", ["", "[]", '{"url": 1}'])
def test_a_note_that_cannot_be_read_starts_from_zero(server: FileServer, tmp_path: Path, note: str) -> None:
    (tmp_path / "a.gz.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.gz.part.json").write_text(note)
    get(official(f"{server.url}/a.gz"), tmp_path)
    assert server.asked == [("/a.gz", None)]


def test_a_wrong_hash_is_refused_at_once_and_nothing_is_left(server: FileServer, tmp_path: Path) -> None:
    server.files["/a.gz"] = OTHER
    found = hashlib.md5(OTHER).hexdigest()  # noqa: S324
    with pytest.raises(DownloadError, match=f"a.gz: expected a file of md5 .*, got {found}"):
        get(official(f"{server.url}/a.gz"), tmp_path)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_hash_in_one_place_leaves_the_next(server: FileServer, tmp_path: Path) -> None:
    server.files["/changed/a.gz"] = OTHER
    get(official(f"{server.url}/changed/a.gz", f"{server.url}/a.gz"), tmp_path)


def test_a_file_that_is_in_no_place_is_told_with_every_place(server: FileServer, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"/b\.gz: answered 404 Not Found; .*/c\.gz: answered 404 Not Found"):
        get(official(f"{server.url}/b.gz", f"{server.url}/c.gz"), tmp_path)
    assert len(server.asked) == 2


def test_a_server_error_is_tried_again(server: FileServer, tmp_path: Path) -> None:
    server.statuses = [503, 500]
    get(official(f"{server.url}/a.gz"), tmp_path)


def test_a_redirection_is_followed(server: FileServer, tmp_path: Path) -> None:
    server.redirects["/old/a.gz"] = f"{server.url}/a.gz"
    get(official(f"{server.url}/old/a.gz"), tmp_path)


def test_where_nobody_listens_the_place_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.gz"
        with pytest.raises(DownloadError, match=f"{url}: .*refused"):
            get(official(url), tmp_path)


def test_a_folder_that_cannot_be_written_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"file/a\.gz: cannot be written"):
        get(official(f"{server.url}/a.gz"), tmp_path / "file")


@pytest.mark.parametrize("name", ["signs.zip", "photographs.tar.bz2"])
def test_without_a_published_hash_a_page_is_no_archive(server: FileServer, tmp_path: Path, name: str) -> None:
    server.files[f"/{name}"] = b"<!DOCTYPE html>Please log in" * 1000
    file = OfficialFile(name, (f"{server.url}/{name}",))
    with pytest.raises(DownloadError, match="expected an archive, got something else"):
        download(file, tmp_path, lambda *_: None, patience=PATIENT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["signs.zip", "photographs.tar.bz2"])
def test_without_a_published_hash_an_archive_is_taken(server: FileServer, tmp_path: Path, name: str) -> None:
    archive = io.BytesIO()
    if name == "signs.zip":
        with zipfile.ZipFile(archive, "w") as members:
            members.writestr("Readme.txt", "BelgiumTSC")
    else:
        with tarfile.open(fileobj=archive, mode="w:bz2") as photographs:
            photographs.addfile(tarfile.TarInfo("JPEGImages"))
    server.files[f"/{name}"] = archive.getvalue()
    file = OfficialFile(name, (f"{server.url}/{name}",))
    assert download(file, tmp_path, lambda *_: None).read_bytes() == archive.getvalue()
