import hashlib
import os
import shutil
from pathlib import Path

import pytest

from eabs.networks import EABS
from model_store.checkpoint import weights_to_bytes
from model_store.errors import CorruptVersion, InvalidName, ModelStoreError, UnknownModel, UnknownVersion
from model_store.manifest import Manifest, ManifestDraft
from model_store.store import ModelStore
from tests.model_store.small import small_draft


@pytest.fixture
def published(store: ModelStore, model: EABS, draft: ManifestDraft) -> Path:
    """The folder of the one version of `shapes`."""
    store.publish(model, draft)
    return store.root / "shapes" / "1"


def test_a_store_that_is_not_there_is_empty(store: ModelStore) -> None:
    assert store.names() == []
    with pytest.raises(UnknownModel, match="no model 'shapes'"):
        store.load("shapes")


def test_a_loaded_model_is_the_published_one(store: ModelStore, published: Path, model: EABS) -> None:
    loaded = store.load("shapes")

    assert weights_to_bytes(loaded.model) == weights_to_bytes(model)
    assert loaded.manifest == store.manifest("shapes", "1")
    assert loaded.digest == "sha256:" + hashlib.sha256((published / "manifest.json").read_bytes()).hexdigest()


def test_versions_are_listed_as_people_count(store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    for version in ("10", "2", "1"):
        store.publish(model, draft, version=version)

    assert store.versions("shapes") == ["1", "2", "10"]


def test_without_a_reference_production_is_meant_and_else_the_last(
    store: ModelStore, model: EABS, draft: ManifestDraft
) -> None:
    store.publish(model, draft, version="9")
    store.publish(model, draft, version="10")
    assert store.resolve("shapes") == "10"

    store.set_alias("shapes", "production", "9")
    assert store.resolve("shapes") == store.resolve("shapes", "production") == "9"
    assert store.load("shapes").manifest.version == "9"
    assert store.resolve("shapes", "10") == "10"


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("reference", ["2", "production", "manifest.json"])
def test_an_unknown_reference_is_refused(store: ModelStore, reference: str) -> None:
    with pytest.raises(UnknownVersion, match=f"no version '{reference}' of model 'shapes', which has 1"):
        store.load("shapes", reference)


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("bad", ["..", ".", "", "../shapes", "/etc", "1/../1", ".lock", "1\0"])
def test_traversal_is_refused_wherever_a_name_is_taken(
    store: ModelStore, model: EABS, draft: ManifestDraft, bad: str
) -> None:
    attempts = [
        lambda: store.load(bad),
        lambda: store.load("shapes", bad),
        lambda: store.resolve("shapes", bad),
        lambda: store.versions(bad),
        lambda: store.aliases(bad),
        lambda: store.manifest("shapes", bad),
        lambda: store.verify(bad, "1"),
        lambda: store.delete("shapes", bad),
        lambda: store.set_alias("shapes", bad, "1"),
        lambda: store.set_alias("shapes", "canary", bad),
        lambda: store.remove_alias("shapes", bad),
        lambda: store.publish(model, draft, version=bad),
        lambda: store.publish(model, draft, aliases=[bad]),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidName):
            attempt()


@pytest.mark.parametrize("linked", ["shapes", "shapes/1", "shapes/1/manifest.json", "shapes/1/weights.safetensors"])
def test_a_link_out_of_the_store_is_refused(store: ModelStore, published: Path, tmp_path: Path, linked: str) -> None:
    assert published.exists()
    (tmp_path / "outside").mkdir()
    path, target = store.root / linked, tmp_path / "outside" / Path(linked).name
    path.rename(target)
    path.symlink_to(target)

    with pytest.raises(InvalidName, match="leaves the store"):
        store.load("shapes", "1")


def test_a_link_out_of_the_store_hides_no_other_model(
    store: ModelStore, model: EABS, draft: ManifestDraft, tmp_path: Path
) -> None:
    store.publish(model, draft)
    (store.root / "evil").symlink_to(tmp_path)
    (store.root / "shapes" / "2").symlink_to(tmp_path)

    assert store.names() == ["shapes"]
    assert store.versions("shapes") == ["1"]


def test_aliases_outside_the_store_are_not_read(store: ModelStore, published: Path, tmp_path: Path) -> None:
    (tmp_path / "aliases.json").write_text('{"production": "1"}')
    (published.parent / "aliases.json").symlink_to(tmp_path / "aliases.json")

    with pytest.raises(InvalidName, match="leaves the store"):
        store.aliases("shapes")


@pytest.mark.parametrize("file", ["manifest.json", "weights.safetensors"])
def test_a_flipped_bit_is_found(store: ModelStore, published: Path, file: str) -> None:
    data = (published / file).read_bytes()
    for position in range(0, len(data), max(1, len(data) // 40)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        (published / file).write_bytes(damaged)
        for read in (store.load, lambda name: store.verify(name, "1")):
            with pytest.raises(CorruptVersion, match=f"^shapes/1/{file}: expected .*sha256:"):
                read("shapes")
    (published / file).write_bytes(data)
    store.verify("shapes", "1")


@pytest.mark.parametrize("file", ["manifest.json", "weights.safetensors"])
@pytest.mark.parametrize("replacement", ["nothing", "a folder", "a pipe"])
def test_a_missing_file_is_found(store: ModelStore, published: Path, file: str, replacement: str) -> None:
    (published / file).unlink()
    if replacement == "a folder":
        (published / file).mkdir()
    if replacement == "a pipe":
        os.mkfifo(published / file)

    for read in (store.load, lambda name: store.verify(name, "1")):
        with pytest.raises(CorruptVersion, match=f"^shapes/1/{file}: expected a file, found nothing"):
            read("shapes")


def test_a_file_that_was_never_published_is_found(store: ModelStore, published: Path) -> None:
    (published / "pytorch_model.bin").touch()

    with pytest.raises(CorruptVersion, match=r"^shapes/1/pytorch_model.bin: expected nothing, found a file"):
        store.verify("shapes", "1")


@pytest.mark.parametrize("copy", ["shapes/2", "other/1"])
def test_a_version_copied_to_another_name_is_found(store: ModelStore, published: Path, copy: str) -> None:
    shutil.copytree(published, store.root / copy)

    with pytest.raises(CorruptVersion, match=f"expected the manifest of {copy}, found that of shapes/1"):
        store.load(*copy.split("/"))


def test_weights_of_another_version_are_found(store: ModelStore, published: Path, model: EABS) -> None:
    model.encoder.mean.bias.data.add_(1)
    store.publish(model, small_draft())
    shutil.copy(store.root / "shapes" / "2" / "weights.safetensors", published)

    with pytest.raises(CorruptVersion, match=r"shapes/1/weights\.safetensors"):
        store.load("shapes", "1")


def test_the_bytes_that_are_parsed_are_the_bytes_that_were_hashed(
    store: ModelStore, published: Path, model: EABS, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read_bytes = Path.read_bytes

    def read_and_note(path: Path) -> bytes:
        reads.append(path.name)
        data = read_bytes(path)
        if path.name == "weights.safetensors":
            path.write_bytes(b"replaced right after it was read")
        return data

    monkeypatch.setattr(Path, "read_bytes", read_and_note)

    assert weights_to_bytes(store.load("shapes").model) == weights_to_bytes(model)
    assert sorted(reads) == ["aliases.json", "manifest.json", "weights.safetensors"]
    assert published.exists()


def test_an_alias_of_a_version_that_is_gone_is_reported(store: ModelStore, published: Path) -> None:
    (published.parent / "aliases.json").write_text('{"production": "7"}')

    with pytest.raises(UnknownVersion, match="no version '7' of model 'shapes', which has 1"):
        store.load("shapes")


def test_a_version_deleted_while_it_is_read_is_unknown(
    store: ModelStore, model: EABS, draft: ManifestDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(model, draft)
    store.publish(model, draft)
    from_bytes = Manifest.from_bytes

    def read_then_delete(data: bytes, *, file: str) -> Manifest:
        store.delete("shapes", "2")
        return from_bytes(data, file=file)

    monkeypatch.setattr(Manifest, "from_bytes", read_then_delete)

    with pytest.raises(UnknownVersion, match="no version '2'"):
        store.load("shapes", "2")


def test_reading_writes_nothing(store: ModelStore, published: Path) -> None:
    (published.parent / ".lock").unlink()
    everything = [store.root, *store.root.rglob("*")]
    before = [(path, path.stat().st_mtime_ns) for path in everything]

    store.names()
    store.aliases("shapes")
    store.verify("shapes", "1")
    store.load("shapes")
    with pytest.raises(ModelStoreError):
        store.load("shapes", "2")

    assert [(path, path.stat().st_mtime_ns) for path in [store.root, *store.root.rglob("*")]] == before
