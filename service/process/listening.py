"""The port: bound once, before anything is loaded, and listened on by one process or by several."""

import asyncio
import contextlib
import ctypes
import logging
import socket
import struct
from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_PAUSE_S = 1.0
# How long a connection whose beginning was let in may take to be made.
_HANDSHAKE_S = 0.05

# Linux's SO_ATTACH_FILTER, and a filter for it that drops the segments which begin a connection: load byte 13 of the
# TCP header; has it the bit SYN? then keep 0 bytes of the segment, otherwise all.
_SO_ATTACH_FILTER = 26
_WITHOUT_SYN = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class CannotListen(Exception):  # noqa: N818 -- reads as what happened
    """The address is taken, not this machine's, or not to be found."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address that the host has; port 0 takes a free one.

    Raises:
        CannotListen: with the address and the reason.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # All of a host's addresses share the port that the first was given.
            listener.bind((address[0], sockets[0].getsockname()[1] or port, *address[2:]))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sockets


def url_of(listener: socket.socket) -> str:
    """Where a client finds a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def let_nobody_in(listener: socket.socket) -> None:
    """Lets no more connections begin on a socket, of whichever process; those that have begun wait to be accepted.

    A socket that is closed resets what waits in its queue, also what came after one last look. Who tries to connect
    tries again a second later, and is refused then if the socket is closed. Where this cannot be had, nothing is done.
    """
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _WITHOUT_SYN)
    buffer = ctypes.create_string_buffer(program)
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_WITHOUT_SYN), ctypes.addressof(buffer))
        )


class Listener:
    """Accepts connections, one each time that the event loop comes around.

    Asyncio's own servers take all that wait at once: of workers that share a socket, the first to wake would take
    every connection of a burst, and keep them while the others idle. One by one they go to whoever is free.
    """

    def __init__(self, sockets: Sequence[socket.socket], protocol: Callable[[], asyncio.Protocol]) -> None:
        self._sockets = sockets
        self._protocol = protocol
        self._connecting: set[asyncio.Task[None]] = set()
        self.listening = False

    def start(self) -> None:
        """Begins to accept."""
        self.listening = True
        for listener in self._sockets:
            self._resume(listener)

    async def close(self, *, for_all: bool = True) -> None:
        """Accepts what has come so far, and nothing after.

        Args:
            for_all: whether no other process goes on to accept from these sockets.
        """
        loop = asyncio.get_running_loop()
        listening, self.listening = self.listening, False
        for listener in self._sockets:
            loop.remove_reader(listener)
            if for_all:
                let_nobody_in(listener)
        if for_all:
            await asyncio.sleep(_HANDSHAKE_S)
        for listener in self._sockets:
            with contextlib.suppress(OSError):  # no file descriptor is left for those that still wait
                while listening and self._accept_one(listener):
                    pass
            listener.close()
        await asyncio.gather(*self._connecting)

    def _resume(self, listener: socket.socket) -> None:
        if self.listening:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            self._accept_one(listener)
        except OSError as error:
            # No file descriptor or memory is left. The connection waits, and would wake the loop without end.
            logger.error("no connection can be accepted for the moment: %s", error)
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(_PAUSE_S, self._resume, listener)

    def _accept_one(self, listener: socket.socket) -> bool:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return True

    async def _connect(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has left already
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
