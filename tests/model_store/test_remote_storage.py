import time
from collections.abc import Callable

import pytest

from eabs.networks import EABS
from model_store import ModelStore, disk
from model_store.claims import Claim
from model_store.errors import StoreUnreachable, UnknownModel, VersionBusy, VersionExists
from model_store.remote_folder import RemoteFolder
from model_store.remote_storage import RemoteStorage
from tests.model_store.places import Place
from tests.model_store.small import small_draft

FILES = {"manifest.json": b"m", "weights.safetensors": b"w", "prototypes.safetensors": b"p"}


@pytest.fixture
def storage(memory_root: str) -> RemoteStorage:
    return RemoteStorage(memory_root)


@pytest.fixture
def place(memory_root: str) -> Place:
    return Place(memory_root)


@pytest.fixture
def puts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of versions that were made, in their order."""
    made: list[str] = []
    create = RemoteFolder.create

    def note(self: RemoteFolder, data: bytes, *names: str) -> bool:
        if ".publishing" not in names:
            made.append(names[-1])
        return create(self, data, *names)

    monkeypatch.setattr(RemoteFolder, "create", note)
    return made


def before_creating(file: str, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has `act` happen once, right before a file of this name is created."""
    create = RemoteFolder.create

    def wrapped(self: RemoteFolder, data: bytes, *names: str) -> bool:
        if names[-1] == file:
            monkeypatch.setattr(RemoteFolder, "create", create)
            act()
        return create(self, data, *names)

    monkeypatch.setattr(RemoteFolder, "create", wrapped)


def test_the_manifest_is_put_last(storage: RemoteStorage, puts: list[str]) -> None:
    storage.add("shapes", "1", FILES)

    assert puts == ["weights.safetensors", "prototypes.safetensors", "manifest.json"]


def test_a_version_without_a_manifest_does_not_exist(storage: RemoteStorage, place: Place, memory_root: str) -> None:
    place.write("shapes/1/weights.safetensors", b"w")

    assert storage.names() == storage.versions("shapes") == []
    with pytest.raises(UnknownModel):
        ModelStore(memory_root).load("shapes", "1")


def test_what_is_no_model_is_not_listed(storage: RemoteStorage, place: Place) -> None:
    storage.add("shapes", "1", FILES)
    for path in (
        "README.md",
        "manifest.json",
        "Upper/1/manifest.json",
        "shapes/Upper/manifest.json",
        "a/b/c/manifest.json",
    ):
        place.write(path, b"")

    assert storage.names() == ["shapes"]
    assert storage.versions("shapes") == ["1"]


def test_of_two_publishers_of_one_version_the_first_wins(
    storage: RemoteStorage, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[object] = []

    def come_second() -> None:
        with pytest.raises(VersionBusy, match="shapes/1 is being written"):
            storage.add("shapes", "1", dict.fromkeys(FILES, b"second"))
        outcomes.append("refused")

    before_creating("manifest.json", come_second, monkeypatch)
    storage.add("shapes", "1", FILES)

    assert outcomes == ["refused"]
    assert place.files() == {f"shapes/1/{file}": data for file, data in FILES.items()}


def test_a_publisher_that_names_no_version_takes_the_next_one_while_another_writes(
    memory_root: str, model: EABS, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(memory_root)
    before_creating("manifest.json", lambda: store.publish(model, small_draft()), monkeypatch)

    assert store.publish(model, small_draft()).version == "1"
    assert store.versions("shapes") == ["1", "2"]
    for version in ("1", "2"):
        store.verify("shapes", version)


def test_a_publisher_whose_number_was_just_taken_takes_the_next_one(
    memory_root: str, model: EABS, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(memory_root)
    take = Claim.take

    def come_second(folder: RemoteFolder, name: str, version: str) -> Claim:
        monkeypatch.setattr(Claim, "take", take)
        store.publish(model, small_draft())
        return take(folder, name, version)

    monkeypatch.setattr(Claim, "take", come_second)

    assert store.publish(model, small_draft()).version == "2"


def test_what_another_wrote_without_a_claim_is_not_overwritten(
    storage: RemoteStorage, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_creating("manifest.json", lambda: place.write("shapes/1/manifest.json", b"theirs"), monkeypatch)

    with pytest.raises(VersionExists, match=r"shapes/1/manifest\.json was written by another"):
        storage.add("shapes", "1", FILES)
    assert place.files() == {"shapes/1/manifest.json": b"theirs"}


def unreachable() -> None:
    raise StoreUnreachable("no answer")


@pytest.mark.parametrize("file", FILES)
def test_a_failed_publish_leaves_nothing(
    storage: RemoteStorage, place: Place, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    before_creating(file, unreachable, monkeypatch)

    with pytest.raises(StoreUnreachable, match="no answer"):
        storage.add("shapes", "1", FILES)

    assert place.files() == {}
    storage.add("shapes", "1", FILES)


def test_what_a_failed_publish_could_not_remove_is_swept_when_its_claim_expires(
    storage: RemoteStorage, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RemoteFolder, "remove", lambda *_: unreachable())
        before_creating("manifest.json", unreachable, patch)
        with pytest.raises(StoreUnreachable):
            storage.add("shapes", "1", FILES)
    assert storage.versions("shapes") == []
    assert storage.unfinished("shapes") == {"1"}
    with storage.writing("shapes"):
        assert "shapes/1/weights.safetensors" in place.files()
    later = time.time() + disk.LEFT_OVER_AGE + 1
    monkeypatch.setattr(time, "time", lambda: later)

    with storage.writing("shapes"):
        assert place.files() == {}


def test_sweeping_leaves_a_version_that_was_finished(
    storage: RemoteStorage, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Claim, "release", lambda _: None)
    storage.add("shapes", "1", FILES)
    monkeypatch.undo()
    later = time.time() + disk.LEFT_OVER_AGE + 1
    monkeypatch.setattr(time, "time", lambda: later)

    with storage.writing("shapes"):
        assert place.files() == {f"shapes/1/{file}": data for file, data in FILES.items()}


def test_a_deleted_version_disappears_before_its_files_do(
    storage: RemoteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add("shapes", "1", FILES)
    removed: list[str] = []
    remove = RemoteFolder.remove

    def note(self: RemoteFolder, *names: str) -> None:
        removed.append(names[-1])
        remove(self, *names)

    monkeypatch.setattr(RemoteFolder, "remove", note)
    storage.remove("shapes", "1")

    assert removed[0] == "manifest.json"
    assert storage.files("shapes", "1") == storage.unfinished("shapes") == set()
