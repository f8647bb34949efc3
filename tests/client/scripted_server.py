"""A server that answers what it is told, for what the real one cannot be brought to."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Scripted:
    """One answer, after a pause; a status of 0 closes the connection without one."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pause_s: float = 0.0


@dataclass
class ScriptedServer:
    """Where it is, and when and with which headers it was asked."""

    url: str
    asked_at: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def scripted_server(*answers: Scripted) -> Iterator[ScriptedServer]:
    """Gives the answers one after the other, and the last one for ever."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found.headers.append(dict(self.headers))
            found.asked_at.append(time.monotonic())
            answer = answers[min(len(found.asked_at), len(answers)) - 1]
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if over.wait(answer.pause_s) or not answer.status:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_POST = do_GET  # noqa: N815 -- the base class's names

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        found = ScriptedServer(f"http://127.0.0.1:{http.server_address[1]}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield found
        finally:
            over.set()
            http.shutdown()
            thread.join()
