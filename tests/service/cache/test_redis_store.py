import asyncio
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from service.cache import redis_store
from service.cache.redis_store import RedisStore
from service.telemetry.metrics import Metrics
from tests.service.cache.certificates import write_certificate
from tests.service.redis_server import RedisServer

PATIENT_S = 30.0


class Run:
    """A store, and what it counted."""

    def __init__(self, url: str, *, timeout_s: float = PATIENT_S) -> None:
        self.metrics = Metrics()
        self.store = RedisStore(url, timeout_s=timeout_s, ttl_s=100, metrics=self.metrics)

    def __call__(self, test: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            try:
                await test()
            finally:
                await self.store.close()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(run())

    async def get(self, *keys: str) -> dict[str, bytes]:
        return await self.store.get(keys, max_bytes=1000)

    def value(self, name: str, **labels: str) -> float:
        self.metrics.refresh()
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def errors(self, kind: str) -> float:
        return self.value("eabs_cache_errors_total", tier="redis", kind=kind)

    async def fail_until_left_alone(self) -> None:
        while not self.store.is_left_alone:
            assert await self.get("a") == {}

    async def wait_until_well(self) -> None:
        while self.store.is_left_alone:
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _probe_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_store, "_PAUSE_S", 0.05)


def test_what_was_set_is_got_for_a_time(redis: RedisServer) -> None:
    run = Run(redis.url)

    async def test() -> None:
        assert await run.store.set({"a": b"1", "b": b"\0\r\n\xff"}) == {"a", "b"}
        assert await run.get("a", "b", "c") == {"a": b"1", "b": b"\0\r\n\xff"}
        with redis.client() as client:
            assert 50_000 < client.pttl("a") <= 100_000
        assert await run.store.set({"a": None, "d": b"4"}) == {"d"}
        assert await run.get("a", "b", "d") == {"b": b"\0\r\n\xff", "d": b"4"}

    run(test)


def test_many_keys_are_one_round_trip(redis: RedisServer) -> None:
    run = Run(redis.url)
    keys = [f"key {index}" for index in range(64)]

    async def test() -> None:
        await run.store.set(dict.fromkeys(keys, b"value"))
        with redis.client() as client:
            before = client.info("stats")["total_reads_processed"]
            assert len(await run.get(*keys)) == 64
            # This very question is a read, too.
            assert client.info("stats")["total_reads_processed"] - before == 2

    run(test)
    assert run.value("eabs_redis_seconds_count", operation="read") == 1
    assert run.value("eabs_redis_seconds_count", operation="write") == 1


def test_a_huge_value_of_another_program_is_not_read_whole(redis: RedisServer) -> None:
    run = Run(redis.url)

    async def test() -> None:
        with redis.client() as client:
            client.set("a", bytes(10_000_000))
        assert await run.get("a") == {"a": bytes(1000)}

    run(test)


def test_a_key_that_holds_no_string_is_told_from_one_that_is_not_there(redis: RedisServer) -> None:
    run = Run(redis.url)

    async def test() -> None:
        with redis.client() as client:
            client.lpush("list", "x")
            client.set("good", "1")
        assert await run.get("none", "list", "good") == {"list": b"", "good": b"1"}
        assert await run.store.set({"list": b"mine"}) == {"list"}
        assert await run.get("list") == {"list": b"mine"}

    run(test)


@pytest.mark.parametrize("state", ["killed", "frozen"])
def test_one_that_is_gone_is_left_alone_until_it_is_back(redis: RedisServer, state: str) -> None:
    run = Run(redis.url, timeout_s=0.2)

    async def test() -> None:
        assert await run.store.set({"a": b"1"}) == {"a"}
        if state == "killed":
            redis.kill()
            await run.fail_until_left_alone()
            redis.start()
        else:
            with redis.frozen():
                await run.fail_until_left_alone()
                assert run.value("eabs_redis_breaker_open") == 1
                asked = run.value("eabs_redis_seconds_count", operation="read")
                assert await run.get("a") == {}
                assert await run.store.set({"a": b"1"}) == frozenset()
                assert run.value("eabs_redis_seconds_count", operation="read") == asked
        await run.wait_until_well()
        assert run.value("eabs_redis_breaker_open") == 0
        while not await run.store.set({"a": b"2"}):
            await run.wait_until_well()

    run(test)
    assert run.errors("connection" if state == "killed" else "timeout") >= 5


def test_a_full_one_is_still_read_from(redis: RedisServer) -> None:
    run = Run(redis.url)

    async def test() -> None:
        await run.store.set({"a": b"1"})
        with redis.client() as client:
            client.config_set("maxmemory", "1")
        for _ in range(10):
            assert await run.store.set({"b": b"2", "c": b"3"}) == frozenset()
        assert await run.get("a", "b") == {"a": b"1"}
        assert await run.store.set({"a": None}) == frozenset()
        assert await run.get("a") == {}

    run(test)
    assert run.errors("full") == 20
    assert not run.store.is_left_alone


def test_a_password_opens_it(redis: RedisServer) -> None:
    redis.restart("--requirepass", "se/cret")
    run = Run(redis.url.replace("//", "//:se%2Fcret@"))

    async def test() -> None:
        assert await run.store.set({"a": b"1"}) == {"a"}
        assert await run.get("a") == {"a": b"1"}

    run(test)


@pytest.mark.parametrize("user", ["", ":wrong-secret@", "nobody:wrong-secret@"])
def test_without_its_password_nothing_is_got_and_the_password_is_not_logged(
    redis: RedisServer, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    redis.restart("--requirepass", "the-secret")
    run = Run(redis.url.replace("//", f"//{user}"))

    async def test() -> None:
        await run.fail_until_left_alone()

    run(test)
    assert run.errors("connection") == 5
    assert f"Redis at 127.0.0.1:{redis.port} is left alone" in caplog.text
    assert "secret" not in caplog.text


def test_tls_is_spoken_with_one_whose_certificate_is_trusted_and_with_no_other(redis: RedisServer) -> None:
    folder = redis.folder
    write_certificate(folder)
    redis.kill()
    redis.start(
        "--port", "0", "--tls-port", str(redis.port), "--tls-auth-clients", "no",
        "--tls-cert-file", f"{folder}/cert.pem", "--tls-key-file", f"{folder}/key.pem",
    )  # fmt: skip
    url = redis.url.replace("redis:", "rediss:")
    trusting, distrusting = Run(f"{url}?ssl_ca_certs={folder}/cert.pem"), Run(url)

    async def speak() -> None:
        assert await trusting.store.set({"a": b"1"}) == {"a"}
        assert await trusting.get("a") == {"a": b"1"}

    async def refuse() -> None:
        assert await distrusting.get("a") == {}

    trusting(speak)
    distrusting(refuse)
    assert distrusting.errors("connection") == 1


def test_a_certificate_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="No such file") as refused:
        Run("rediss://:secret@cache?ssl_ca_certs=/nowhere/ca.pem")
    assert "secret" not in str(refused.value)


def test_requests_that_are_cancelled_leave_every_connection_usable(redis: RedisServer) -> None:
    run = Run(redis.url)

    async def test() -> None:
        await run.store.set({"a": b"1"})
        for rounds in range(20):
            with redis.frozen():
                asking = [asyncio.create_task(run.get("a")) for _ in range(50)]
                for _ in range(rounds):
                    await asyncio.sleep(0)
                for task in asking:
                    task.cancel()
                await asyncio.gather(*asking, return_exceptions=True)
                assert all(task.cancelled() for task in asking)
        found = await asyncio.gather(*(run.get("a") for _ in range(50)))
        assert found == [{"a": b"1"}] * 50
        assert not run.store.is_left_alone

    run(test)


def test_however_many_ask_the_connections_are_few(redis: RedisServer) -> None:
    run = Run(redis.url)

    async def test() -> None:
        await run.store.set({"a": b"1"})
        found = await asyncio.gather(*(run.get("a") for _ in range(500)))
        assert found == [{"a": b"1"}] * 500
        with redis.client() as client:
            assert len(client.client_list()) <= 19

    run(test)


@contextmanager
def no_redis(reply: bytes) -> Iterator[int]:
    """The port of a server that says the same to everyone."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\n", b"*1\r\n", b"$5\r\nab", b"", b":1\r\n", b"\xff\xff\r\n"]
)
def test_what_speaks_no_redis_is_asked_nothing_after_a_while(reply: bytes) -> None:
    with no_redis(reply) as port:
        run = Run(f"redis://127.0.0.1:{port}", timeout_s=0.5)

        async def test() -> None:
            for _ in range(5):
                found = await run.get("a")
                assert set(found.values()) <= {b""}

        run(test)
