import secrets
import socket
import sys
import threading
from collections.abc import Iterator

import fsspec
import pytest

from model_store import remote_folder
from model_store.errors import InvalidName, InvalidRoot, StoreUnreachable
from model_store.remote_folder import RemoteFolder


@pytest.fixture
def folder(memory_root: str) -> RemoteFolder:
    return RemoteFolder(memory_root)


@pytest.fixture
def memory() -> fsspec.AbstractFileSystem:
    return fsspec.filesystem("memory")


def test_nothing_is_listed_where_nothing_is(folder: RemoteFolder) -> None:
    assert folder.list() == folder.list("shapes") == set()
    with pytest.raises(FileNotFoundError):
        folder.read("shapes", "a")


def test_objects_are_listed_with_their_paths_below_the_folder(folder: RemoteFolder) -> None:
    for names in (("a",), ("shapes", "1", "b"), ("shapes", "c"), ("shapes-too", "d")):
        folder.replace(b"x", *names)

    assert folder.list() == {"a", "shapes/1/b", "shapes/c", "shapes-too/d"}
    assert folder.list("shapes") == {"1/b", "c"}


@pytest.mark.parametrize("url", ["memory://{}", "memory://{}/", "memory:///{}/a/b//"])
def test_a_url_may_have_any_depth_and_end_in_slashes(url: str) -> None:
    folder = RemoteFolder(url.format(secrets.token_hex(8)))
    folder.replace(b"x", "shapes", "a")

    assert folder.list() == {"shapes/a"}
    assert folder.read("shapes", "a") == b"x"


def test_an_object_is_created_once(folder: RemoteFolder) -> None:
    assert folder.create(b"first", "a")
    assert not folder.create(b"second", "a")
    assert folder.read("a") == b"first"


def test_making_the_same_object_again_counts_as_having_made_it(folder: RemoteFolder) -> None:
    assert folder.create(b"first", "a")
    assert folder.create(b"first", "a")


def test_an_object_that_appears_right_before_it_is_created_is_not_overwritten(
    folder: RemoteFolder, memory: fsspec.AbstractFileSystem, memory_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_file = type(memory).pipe_file

    def come_second(self: object, path: str, value: bytes, mode: str = "overwrite") -> None:
        monkeypatch.setattr(type(memory), "pipe_file", pipe_file)
        memory.pipe_file(f"{memory_root}/a", b"first")
        pipe_file(self, path, value, mode)

    monkeypatch.setattr(type(memory), "pipe_file", come_second)

    assert not folder.create(b"second", "a")
    assert folder.read("a") == b"first"


def test_an_object_that_was_made_though_the_answer_was_lost_is_ours(
    folder: RemoteFolder, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_file = type(memory).pipe_file

    def lose_the_answer(self: object, path: str, value: bytes, mode: str = "overwrite") -> None:
        pipe_file(self, path, value, mode)
        raise TimeoutError("no answer")

    monkeypatch.setattr(type(memory), "pipe_file", lose_the_answer)

    assert folder.create(b"ours", "a")


def test_a_failure_to_create_is_told(
    folder: RemoteFolder, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(type(memory), "pipe_file", fail)

    with pytest.raises(StoreUnreachable, match="PermissionError: Access Denied"):
        folder.create(b"x", "a")


def test_removing_what_is_not_there_is_no_failure(folder: RemoteFolder) -> None:
    folder.replace(b"x", "a")
    folder.remove("a")
    folder.remove("a")

    assert folder.list() == set()


def test_what_another_process_made_is_seen_at_once(
    folder: RemoteFolder, memory: fsspec.AbstractFileSystem, memory_root: str
) -> None:
    assert folder.list() == set()
    memory.pipe_file(f"{memory_root}/a", b"x")
    assert folder.list() == {"a"}


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/a", "A", "a\\b", "a\0", "é", "*"])
def test_a_name_that_could_lead_out_is_refused(folder: RemoteFolder, name: str) -> None:
    for attempt in (
        lambda: folder.read("shapes", name),
        lambda: folder.list(name),
        lambda: folder.create(b"x", name),
        lambda: folder.replace(b"x", name),
        lambda: folder.remove(name),
    ):
        with pytest.raises(InvalidName, match="leaves the store"):
            attempt()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", "such as s3://bucket/prefix, got 's3:'"),
        ("memory:///", "such as s3://bucket/prefix"),
        ("simplecache::memory://a", "expected a URL of one protocol"),
        ("nowhere://a", "Protocol not known: nowhere"),
    ],
)
def test_a_url_that_names_no_place_is_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidRoot, match=message):
        RemoteFolder(url).list()


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.registry import _registry

    monkeypatch.delitem(_registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(InvalidRoot, match=r"s3:// needs .* not installed: pip install 'eabs-server\[s3\]'"):
        RemoteFolder("s3://bucket").list()


def test_credentials_of_a_url_stay_out_of_messages() -> None:
    assert RemoteFolder("ftp://me:secret@host/models/").location == "ftp://host/models"


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.usefixtures("s3_bucket")
def test_a_server_that_never_answers_is_unreachable_in_time(
    silent_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent_server)
    monkeypatch.setattr(remote_folder, "SHORT_TIMEOUT", 0.2)

    with pytest.raises(StoreUnreachable, match="s3://bucket: FSTimeoutError"):
        RemoteFolder("s3://bucket").list()


def test_threads_share_a_folder(folder: RemoteFolder) -> None:
    def work(number: int) -> None:
        for _ in range(20):
            folder.replace(bytes([number]) * 100, "shapes", str(number))
            if folder.read("shapes", str(number)) != bytes([number]) * 100:
                failures.append(number)

    failures: list[int] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert folder.list("shapes") == {str(number) for number in range(8)}
