import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from eabs.networks import EABS
from model_store import ModelStore, StoreUnreachable, version_cache
from model_store.checkpoint import weights_to_bytes
from model_store.errors import CorruptVersion, UnknownVersion
from model_store.remote_folder import RemoteFolder
from model_store.seal import seal, sha256_of
from model_store.version_cache import Listing, VersionCache
from tests.model_store.places import Place
from tests.model_store.small import small_bank, small_draft, small_prototypes


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(memory_root: str, cache: Path, model: EABS) -> ModelStore:
    """A remote store with two versions of `shapes`, the first in production, and a cache."""
    store = ModelStore(memory_root, cache=cache)
    draft = small_draft(prototypes=small_prototypes())
    store.publish(model, draft, prototypes=small_bank(), aliases=["production"])
    store.publish(model, draft, prototypes=small_bank(seed=1))
    return store


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read from the remote store so far."""
    files: list[str] = []
    read = RemoteFolder.read

    def note(self: RemoteFolder, *names: str, **options: float) -> bytes:
        files.append(names[-1])
        return read(self, *names, **options)

    monkeypatch.setattr(RemoteFolder, "read", note)
    return files


@pytest.fixture
def take_down(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every remote store unreachable."""

    def fail(*_: object, **__: object) -> None:
        raise StoreUnreachable("no answer")

    return lambda: monkeypatch.setattr(RemoteFolder, "_call", fail)


def cached(cache: Path, file: str) -> Path:
    (path,) = cache.glob(f"versions/*/{file}")
    return path


def test_a_version_is_fetched_once(store: ModelStore, reads: list[str]) -> None:
    first, second = store.load("shapes"), store.load("shapes")

    assert sorted(reads) == [
        "aliases.json",
        "aliases.json",
        "manifest.json",
        "manifest.json",
        "prototypes.safetensors",
        "weights.safetensors",
    ]
    assert weights_to_bytes(first.model) == weights_to_bytes(second.model)
    assert first.prototypes is not None
    assert second.prototypes is not None
    assert torch.equal(first.prototypes.coordinates, second.prototypes.coordinates)


def test_a_version_lies_under_its_digest(store: ModelStore, cache: Path) -> None:
    loaded = store.load("shapes")

    folder = cache / "versions" / loaded.digest.removeprefix("sha256:")
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *loaded.manifest.files}
    assert sha256_of((folder / "manifest.json").read_bytes()) == loaded.digest
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("file", ["weights.safetensors", "prototypes.safetensors"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"?", lambda data: data[:100], lambda _: b""])
def test_a_damaged_file_is_fetched_again(
    store: ModelStore,
    cache: Path,
    reads: list[str],
    caplog: pytest.LogCaptureFixture,
    file: str,
    damage: Callable[[bytes], bytes],
) -> None:
    store.load("shapes")
    path = cached(cache, file)
    intact = path.read_bytes()
    path.write_bytes(damage(intact))
    reads.clear()

    store.load("shapes")

    assert reads.count(file) == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is damaged and is fetched again" in caplog.text
    assert path.read_bytes() == intact


def test_damage_of_the_store_is_not_cached(store: ModelStore, memory_root: str, cache: Path) -> None:
    Place(memory_root).write("shapes/1/weights.safetensors", b"?")

    for _ in range(2):
        with pytest.raises(CorruptVersion, match="weights"):
            store.load("shapes")
    assert not list(cache.glob("versions/*/weights.safetensors"))


def test_verifying_looks_at_the_store_and_not_at_the_cache(store: ModelStore, memory_root: str) -> None:
    store.load("shapes")
    Place(memory_root).write("shapes/1/weights.safetensors", b"?")

    with pytest.raises(CorruptVersion, match="weights"):
        store.verify("shapes", "1")


def test_a_version_that_was_deleted_is_not_served_from_the_cache(store: ModelStore) -> None:
    store.load("shapes", "2")
    store.delete("shapes", "2")

    with pytest.raises(UnknownVersion):
        store.load("shapes", "2")


@pytest.mark.parametrize("reference", ["1", "production", None])
def test_while_the_store_is_down_a_reference_means_what_it_last_meant(
    store: ModelStore,
    take_down: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    memory_root: str,
    cache: Path,
    reference: str | None,
) -> None:
    before = store.load("shapes", reference)
    take_down()

    after = ModelStore(memory_root, cache=cache).load("shapes", reference)

    assert after.digest == before.digest
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"shapes@{reference or ''} is version 1 as last seen: no answer" in caplog.text


def test_a_version_that_was_loaded_by_its_alias_is_known_by_its_number(
    store: ModelStore, take_down: Callable[[], None]
) -> None:
    store.load("shapes", "production")
    take_down()

    assert store.load("shapes", "1").manifest.version == "1"


def test_what_a_store_last_said_is_remembered(store: ModelStore, take_down: Callable[[], None]) -> None:
    assert store.last_seen("shapes") is None
    now = store.look_up("shapes", "production")
    take_down()

    assert store.last_seen("shapes", "production") == store.last_seen("shapes") == now
    assert (now.version, now.aliases) == ("1", {"production": "1"})
    assert store.last_seen("shapes", "2") is not None
    for name, reference in (("shapes", "3"), ("shapes", "canary"), ("digits", None)):
        assert store.last_seen(name, reference) is None


def test_asking_again_writes_nothing(store: ModelStore, cache: Path) -> None:
    store.load("shapes")
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()}

    store.look_up("shapes")
    store.load("shapes")

    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.is_file()} == before


def test_an_alias_that_moved_means_its_new_version(store: ModelStore, take_down: Callable[[], None]) -> None:
    store.load("shapes")
    store.set_alias("shapes", "production", "2")
    store.load("shapes")
    take_down()

    assert store.load("shapes").manifest.version == "2"


def test_while_the_store_is_down_nothing_else_is_answered(store: ModelStore, take_down: Callable[[], None]) -> None:
    store.load("shapes")
    take_down()

    for question in (
        store.names,
        lambda: store.versions("shapes"),
        lambda: store.aliases("shapes"),
        lambda: store.resolve("shapes", "production"),
        lambda: store.look_up("shapes"),
        lambda: store.load("shapes", "2"),
        lambda: store.load("shapes", "3"),
        lambda: store.load("digits"),
    ):
        with pytest.raises(StoreUnreachable, match="no answer"):
            question()


def test_a_damaged_file_is_not_served_while_the_store_is_down(
    store: ModelStore, take_down: Callable[[], None], cache: Path
) -> None:
    store.load("shapes")
    cached(cache, "weights.safetensors").write_bytes(b"?")
    take_down()

    with pytest.raises(StoreUnreachable):
        store.load("shapes")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", seal({"digest": "../../etc"}), seal({"versions": [], "aliases": {}})]
)
def test_a_damaged_record_is_not_believed(
    store: ModelStore, take_down: Callable[[], None], cache: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    store.load("shapes")
    for record in (cache / "records").iterdir():
        record.write_bytes(content)
    take_down()

    with pytest.raises(StoreUnreachable):
        store.load("shapes")
    assert "is not used" in caplog.text


def test_stores_do_not_answer_for_each_other(
    store: ModelStore, take_down: Callable[[], None], memory_root: str, cache: Path
) -> None:
    store.load("shapes")
    take_down()

    with pytest.raises(StoreUnreachable):
        ModelStore(f"{memory_root}/other", cache=cache).load("shapes")


def test_a_cache_that_cannot_be_written_costs_warnings(
    store: ModelStore, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.touch()

    assert store.load("shapes").manifest.version == "1"
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert "is not kept" in caplog.text


def test_a_store_in_a_folder_is_not_cached(tmp_path: Path, cache: Path, model: EABS) -> None:
    store = ModelStore(tmp_path / "models", cache=cache)
    store.publish(model, small_draft())
    store.load("shapes")

    assert not cache.exists()


def digest_of(number: int) -> str:
    return f"sha256:{number:064x}"


def test_the_versions_that_were_used_last_are_kept(cache: Path) -> None:
    versions = VersionCache(cache, root="memory://a")
    for number in range(version_cache.KEPT_VERSIONS + 2):
        versions.keep(digest_of(number), "weights.safetensors", b"w")
        folder = cache / "versions" / f"{number:064x}"
        os.utime(folder, (number, number))
        # The first one stays in use.
        versions.read(digest_of(0), "weights.safetensors", expected=sha256_of(b"w"))
    (cache / "versions" / "README").touch()
    versions.keep(digest_of(99), "weights.safetensors", b"w")

    kept = {path.name for path in (cache / "versions").iterdir()}
    assert len(kept) == version_cache.KEPT_VERSIONS + 1
    assert kept >= {f"{0:064x}", f"{99:064x}", "README"}
    assert f"{1:064x}" not in kept


def test_the_newest_records_are_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_cache, "KEPT_RECORDS", 3)
    versions = VersionCache(cache, root="memory://a")
    for number in range(5):
        versions.remember_listing(f"model-{number}", Listing(versions=("1",), aliases={}))

    assert len(list((cache / "records").iterdir())) == 3


def test_loads_at_the_same_time_share_the_cache(store: ModelStore, memory_root: str, cache: Path) -> None:
    digests, failures = set(), []

    def load() -> None:
        try:
            for reference in ("1", "2"):
                digests.add(ModelStore(memory_root, cache=cache).load("shapes", reference).digest)
        except Exception as error:  # noqa: BLE001 - whatever a thread raises fails the test
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert digests == {store.load("shapes", version).digest for version in ("1", "2")}
    assert not [path for path in cache.rglob("*") if path.name.startswith(".")]
