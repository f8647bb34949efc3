"""The port: errors that name it, and no connection that is dropped."""

import asyncio
import errno
import socket

import pytest

from service.process import listening
from service.process.listening import CannotListen, Listener, bind, let_nobody_in, url_of


class Greeting(asyncio.Protocol):
    """Says hello and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


def test_every_address_of_a_host_has_the_same_port() -> None:
    sockets = bind("localhost", 0)
    try:
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
        assert url_of(sockets[0]).startswith("http://")
    finally:
        for listener in sockets:
            listener.close()


@pytest.mark.parametrize(
    ("host", "reason"), [("nowhere.invalid", ""), ("192.0.2.1", "Cannot assign requested address")]
)
def test_an_address_that_is_not_ours_is_named(host: str, reason: str) -> None:
    with pytest.raises(CannotListen, match=f"cannot listen on {host}:80: {reason}"):
        bind(host, 80)


def test_what_has_connected_before_the_listener_closes_is_served_and_nothing_after() -> None:
    async def run() -> list[bytes]:
        sockets = bind("127.0.0.1", 0)
        address = sockets[0].getsockname()
        listener = Listener(sockets, Greeting)
        listener.start()
        # The kernel connects them; the loop has not come around to accept.
        clients = [socket.create_connection(address) for _ in range(20)]
        await listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        await asyncio.sleep(0)
        received = [await asyncio.to_thread(client.recv, 16) for client in clients]
        for client in clients:
            client.close()
        return received

    assert asyncio.run(run()) == [b"hello"] * 20


def test_where_nobody_is_let_in_any_more_those_who_wait_still_are() -> None:
    (listener,) = bind("127.0.0.1", 0)
    address = listener.getsockname()
    with listener, socket.create_connection(address) as early:
        let_nobody_in(listener)
        with pytest.raises(TimeoutError):
            socket.create_connection(address, timeout=0.2)
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b"hello")
            accepted.settimeout(30)
            assert accepted.recv(16) == b"hello"
        with pytest.raises(BlockingIOError):
            listener.accept()


class Exhausted(socket.socket):
    """A socket of a process that has no file descriptor left for its first connections."""

    failures = 2

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_where_no_file_descriptor_is_left_connections_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "_PAUSE_S", 0.01)

    async def run() -> bytes:
        exhausted = Exhausted(fileno=bind("127.0.0.1", 0)[0].detach())
        listener = Listener([exhausted], Greeting)
        listener.start()
        with socket.create_connection(exhausted.getsockname()) as client:
            received = await asyncio.to_thread(client.recv, 16)
        await listener.close()
        return received

    assert asyncio.run(run()) == b"hello"
    assert caplog.text.count("no connection can be accepted for the moment: [Errno 24] Too many open files") == 2


def test_one_connection_is_accepted_each_time_that_the_loop_comes_around() -> None:
    async def run() -> None:
        sockets = bind("127.0.0.1", 0)
        accepted: list[int] = []
        listener = Listener(sockets, lambda: accepted.append(1) or Greeting())  # type: ignore[func-returns-value]
        clients = [socket.create_connection(sockets[0].getsockname()) for _ in range(5)]
        listener.start()
        most, before = 0, 0
        while len(accepted) < 5:
            await asyncio.sleep(0)
            most, before = max(most, len(accepted) - before), len(accepted)
        assert most == 1
        await listener.close()
        for client in clients:
            client.close()

    asyncio.run(run())
