"""A real HTTP server of files, with ranges, that can be told to fail."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """What happens after `after` bytes of a body: the connection ends, or nothing comes any more."""

    kind: Literal["cut", "silence"]
    after: int


@dataclass
class FileServer:
    """What is served, and what happens to the next requests.

    Attributes:
        files: by path, such as `/images.gz`.
        faults: of the next answers, one each; None leaves one whole.
        statuses: that the next requests are refused with, one each.
        redirects: by path, where to.
        with_ranges: whether parts are served.
        with_etags: whether files have a version; where they have none, a client cannot know if one has changed.
        asked: path and `Range` of every request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault | None] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    with_ranges: bool = True
    with_etags: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running_file_server(**files: bytes) -> Iterator[FileServer]:
    """The server on a free port, with these files."""
    served = FileServer(files={f"/{name}": data for name, data in files.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, served)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: BaseHTTPRequestHandler, served: FileServer) -> None:
    wanted = request.headers["Range"]
    served.asked.append((request.path, wanted))
    data = served.files.get(request.path)
    if request.path in served.redirects:
        _head(request, 302, {"Location": served.redirects[request.path], "Content-Length": "0"})
        return
    if served.statuses or data is None:
        _head(request, served.statuses.pop(0) if served.statuses else 404, {"Content-Length": "0"})
        return
    etag = f'"{hashlib.sha256(data).hexdigest()}"'
    headers = {"ETag": etag} if served.with_etags else {}
    start = 0
    if wanted and served.with_ranges and request.headers["If-Range"] == etag:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            _head(request, 416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            return
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    _head(request, 206 if start else 200, headers | {"Content-Length": str(len(data) - start)})
    fault = served.faults.pop(0) if served.faults else None
    request.wfile.write(data[start:] if fault is None else data[start : start + fault.after])
    if fault is not None:
        request.wfile.flush()
        if fault.kind == "silence":
            served.closing.wait(60)
        request.close_connection = True


def _head(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
