"""A store on a server that speaks S3, from publishing to the server's end."""

from pathlib import Path

import fsspec
import pytest
import torch

from eabs.networks import EABS
from model_store import ModelStore, StoreUnreachable
from model_store.checkpoint import weights_to_bytes
from model_store.errors import CorruptVersion, UnknownModel, UnknownVersion, VersionBusy, VersionExists, VersionInUse
from model_store.remote_folder import RemoteFolder
from tests.model_store.places import Place, s3_server
from tests.model_store.small import small_bank, small_draft, small_prototypes


@pytest.fixture
def root(s3_root: str) -> str:
    return s3_root


@pytest.fixture
def store(root: str, model: EABS) -> ModelStore:
    """A store on the server with one version of `shapes`, in production."""
    store = ModelStore(root)
    draft = small_draft(prototypes=small_prototypes())
    store.publish(model, draft, prototypes=small_bank(), aliases=["production"])
    return store


def test_a_published_model_comes_back(store: ModelStore, root: str, model: EABS) -> None:
    # Another process would open the store anew.
    loaded = ModelStore(root).load("shapes")

    assert weights_to_bytes(loaded.model) == weights_to_bytes(model)
    assert loaded.prototypes is not None
    assert torch.equal(loaded.prototypes.coordinates, small_bank().coordinates)
    assert loaded.manifest.version == "1"
    store.verify("shapes", "1")
    assert set(Place(root).files()) == {
        "shapes/1/manifest.json",
        "shapes/1/prototypes.safetensors",
        "shapes/1/weights.safetensors",
        "shapes/aliases.json",
    }


def test_versions_and_aliases_of_another_writer_are_seen_at_once(store: ModelStore, root: str, model: EABS) -> None:
    other = ModelStore(root)
    assert store.names() == ["shapes"]
    with pytest.raises(UnknownModel):
        store.versions("digits")

    other.publish(model, small_draft(name="digits"))
    other.publish(model, small_draft(), aliases=["canary"])
    other.set_alias("shapes", "production", "2")

    assert store.names() == ["digits", "shapes"]
    assert store.versions("shapes") == ["1", "2"]
    assert store.aliases("shapes") == {"canary": "2", "production": "2"}
    assert store.resolve("shapes") == "2"


def test_a_deleted_version_is_gone(store: ModelStore, root: str, model: EABS) -> None:
    with pytest.raises(VersionInUse):
        store.delete("shapes", "1")
    store.publish(model, small_draft())

    store.delete("shapes", "2")

    with pytest.raises(UnknownVersion):
        store.load("shapes", "2")
    assert not [path for path in Place(root).files() if path.startswith(("shapes/2", "shapes/.publishing"))]


def test_a_published_version_is_never_replaced(store: ModelStore, root: str, model: EABS) -> None:
    before = Place(root).files()

    with pytest.raises(VersionExists):
        store.publish(model, small_draft(), version="1")

    assert Place(root).files() == before


@pytest.mark.parametrize("file", ["manifest.json", "weights.safetensors", "prototypes.safetensors"])
def test_a_damaged_object_is_found(store: ModelStore, root: str, file: str) -> None:
    data = Place(root).files()[f"shapes/1/{file}"]
    Place(root).write(f"shapes/1/{file}", data[:-9] + b"?" + data[-8:])

    for read in (store.load, lambda name: store.verify(name, "1")):
        with pytest.raises(CorruptVersion, match=f"^shapes/1/{file}: expected .*sha256:"):
            read("shapes")


def test_the_server_refuses_the_second_of_two_that_create_an_object(
    root: str, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RemoteFolder(root)
    # Both looked before either wrote: only the server's condition is left.
    monkeypatch.setattr(RemoteFolder, "_exists", lambda *_: False)

    assert folder.create(b"first", "shapes", "a")
    assert not RemoteFolder(root).create(b"second", "shapes", "a")
    assert folder.read("shapes", "a") == b"first"
    assert root.startswith(f"s3://{s3_bucket}/")


def test_of_two_publishers_of_one_version_the_first_wins(
    store: ModelStore, root: str, model: EABS, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = RemoteFolder.create

    def with_a_rival(self: RemoteFolder, data: bytes, *names: str) -> bool:
        if names[-1] == "manifest.json":
            monkeypatch.setattr(RemoteFolder, "create", create)
            with pytest.raises(VersionBusy):
                ModelStore(root).publish(model, small_draft(seed=8), version="2")
        return create(self, data, *names)

    monkeypatch.setattr(RemoteFolder, "create", with_a_rival)
    manifest = store.publish(model, small_draft(), version="2")

    assert store.manifest("shapes", "2") == manifest
    store.verify("shapes", "2")


def test_a_bucket_that_is_not_there_cannot_be_published_to(s3_bucket: str, model: EABS) -> None:
    store = ModelStore(f"s3://not-{s3_bucket}/store")

    assert store.names() == []
    with pytest.raises(StoreUnreachable, match="bucket does not exist"):
        store.publish(model, small_draft())


def test_a_copied_folder_is_a_store(tmp_path: Path, root: str, model: EABS) -> None:
    ModelStore(tmp_path).publish(model, small_draft(), aliases=["production"])

    fsspec.filesystem("s3", skip_instance_cache=True).put(f"{tmp_path}/shapes", f"{root}/", recursive=True)

    assert ModelStore(root).load("shapes").manifest.version == "1"
    ModelStore(root).verify("shapes", "1")


def test_when_the_server_is_gone_what_was_loaded_still_loads(tmp_path: Path, model: EABS) -> None:
    with s3_server() as server:
        root = f"s3://{server.bucket}/store"
        store = ModelStore(root, cache=tmp_path)
        store.publish(model, small_draft(), aliases=["production"])
        store.publish(model, small_draft())
        digest = store.load("shapes").digest
        store.load("shapes", "production")

        server.stop()

        for reference in ("1", "production", None):
            assert ModelStore(root, cache=tmp_path).load("shapes", reference).digest == digest
        for question in (store.names, lambda: store.resolve("shapes", "1"), lambda: store.load("shapes", "2")):
            with pytest.raises(StoreUnreachable, match="Could not connect to the endpoint"):
                question()
