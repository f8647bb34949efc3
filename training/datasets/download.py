"""Downloads of official files: they go on where they stopped, and a file appears only when its hash is right."""

import hashlib
import json
import os
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from training.datasets.dataset import DatasetError
from training.datasets.official_files import OfficialFile

Report = Callable[[int, int | None], None]
"""Called with the bytes that are here, and with all that there are, where the server says so."""


@dataclass(frozen=True)
class Patience:
    """How long a download waits, and how often it tries again.

    Attributes:
        connect: seconds for a connection.
        silence: seconds without a byte.
        attempts: connections for each URL.
        pause: seconds between two of them.
    """

    connect: float = 10.0
    silence: float = 30.0
    attempts: int = 5
    pause: float = 1.0


class DownloadError(DatasetError):
    """A file could not be had from any of its places."""


class _UnusableError(Exception):
    """What a place has is not the file: no use in asking it again."""


class _NothingLeftError(Exception):
    """The server has nothing after what was kept of an earlier download."""


def download(file: OfficialFile, folder: Path, report: Report, *, patience: Patience | None = None) -> Path:
    """Downloads an official file into the folder, from the first of its URLs that has it.

    What arrived before a break is kept in `<name>.part` and asked for no more, in this call or a later one, as long as
    the server still has the same file. The file gets its name when its hash is right; where none is published, when
    it is an archive.

    Raises:
        DownloadError: no URL has it, or it cannot be written.
    """
    failures = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = _Part(folder / f"{file.name}.part")
        for url in file.urls:
            try:
                return _from_url(url, file, part, report, patience or Patience())
            except (_UnusableError, httpx.HTTPError, httpx.InvalidURL) as error:
                failures.append(f"{url}: {_told(error)}")
    except OSError as error:
        raise DownloadError(f"{folder / file.name}: cannot be written: {error}") from error
    raise DownloadError(f"{file.name} could not be downloaded: {'; '.join(failures)}")


@dataclass(frozen=True)
class _Part:
    """The beginning of a file, and a note beside it: which URL's, and in which version."""

    path: Path

    @property
    def _note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    def begin(self, url: str, version: str | None) -> None:
        """Empties it; what has no version can never be resumed."""
        self.path.write_bytes(b"")
        self._note.write_text(json.dumps({"url": url, "version": version}))

    def resumable(self, url: str) -> tuple[int, str] | None:
        """How many bytes of the URL's file there are, and its version; None where it must start from zero."""
        try:
            note = json.loads(self._note.read_text())
            size = self.path.stat().st_size
        except (FileNotFoundError, ValueError):
            return None
        matches = isinstance(note, dict) and note.get("url") == url and isinstance(note.get("version"), str)
        return (size, note["version"]) if size and matches else None

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def rename(self, name: str) -> Path:
        """Gives the whole file its name, once it is on the disk."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        target = self.path.replace(self.path.with_name(name))
        self._note.unlink(missing_ok=True)
        return target


def _from_url(url: str, file: OfficialFile, part: _Part, report: Report, patience: Patience) -> Path:
    timeout = httpx.Timeout(patience.silence, connect=patience.connect)
    problem: str | None = None
    with httpx.Client(timeout=timeout, follow_redirects=True) as client:
        for attempt in range(patience.attempts):
            if attempt:
                time.sleep(patience.pause)
            try:
                resumed = _stream(client, url, part, report)
            except httpx.TransportError as error:
                problem = _told(error)
                continue
            except _NothingLeftError:
                # All of it may be here: an earlier call ended before it gave the file its name.
                resumed = True
            problem = _wrong(part.path, file)
            if problem is None:
                return part.rename(file.name)
            part.remove()
            if not resumed:
                break
    raise _UnusableError(problem)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _stream(client: httpx.Client, url: str, part: _Part, report: Report) -> bool:
    """Appends to `part` what is missing of it; whether something that was there before was kept."""
    begun = part.resumable(url)
    # The bytes as they are stored: a .gz must not be unpacked on its way.
    headers = {"Accept-Encoding": "identity"}
    if begun is not None:
        headers |= {"Range": f"bytes={begun[0]}-", "If-Range": begun[1]}
    with client.stream("GET", url, headers=headers) as response:
        offset = _offset(response, begun)
        if not offset:
            part.begin(url, _version(response))
        resumed = offset > 0
        total = _total(response, offset)
        with part.path.open("ab") as stream:
            for chunk in response.iter_raw():
                stream.write(chunk)
                offset += len(chunk)
                report(offset, total)
    return resumed


def _offset(response: httpx.Response, begun: tuple[int, str] | None) -> int:
    """Where in the file the response's body begins."""
    if response.status_code == httpx.codes.OK:
        return 0
    if response.status_code == httpx.codes.PARTIAL_CONTENT and begun is not None:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {begun[0]}-"):
            raise _UnusableError(f"expected bytes from {begun[0]}, got {response.headers.get('Content-Range')!r}")
        return begun[0]
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and begun is not None:
        raise _NothingLeftError
    if response.is_server_error:
        raise httpx.RemoteProtocolError(f"answered {response.status_code} {response.reason_phrase}")
    raise _UnusableError(f"answered {response.status_code} {response.reason_phrase}")


def _version(response: httpx.Response) -> str | None:
    """What `If-Range` compares: a strong ETag, or else the time of the last change."""
    etag: str = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    changed: str | None = response.headers.get("Last-Modified")
    return changed


def _total(response: httpx.Response, offset: int) -> int | None:
    length: str = response.headers.get("Content-Length", "")
    return offset + int(length) if length.isdecimal() else None


def _wrong(path: Path, file: OfficialFile) -> str | None:
    """Why what arrived is not the official file; None where it is."""
    if file.md5 is not None:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        return None if found == file.md5 else f"expected a file of md5 {file.md5}, got {found}"
    archive = tarfile.is_tarfile(path) if ".tar." in file.name else zipfile.is_zipfile(path)
    return None if archive else "expected an archive, got something else"
