"""HTTP by hand, for load: a library's client takes as much processor time for a request as the server."""

import asyncio
import http.client
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request as it goes over the wire; the host is not told, because the server does not ask."""
    fields = {"Host": "server", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Connection:
    """One connection, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._kept = True

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connects to `http://host:port`.

        Raises:
            OSError: nobody listens there.
        """
        address = urlsplit(url)
        return cls(*await asyncio.open_connection(address.hostname, address.port or http.client.HTTP_PORT))

    @property
    def usable(self) -> bool:
        """Whether another request may be sent: the server has not closed it, nor said that it will."""
        return self._kept and not self._reader.at_eof()

    async def ask(self, request: bytes) -> int:
        """The status of the answer, which is read to its end.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke.
        """
        self._kept = False
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        if b"content-length" in fields:
            await self._reader.readexactly(int(fields[b"content-length"]))
        else:
            while size := int(await self._reader.readline(), 16):
                await self._reader.readexactly(size + 2)
            await self._reader.readline()
        self._kept = fields.get(b"connection") != b"close"
        return int(head.split(b" ", 2)[1])

    def close(self) -> None:
        """Hangs up."""
        self._writer.close()
