import hashlib
import os
import shutil
from pathlib import Path

import pytest

from eabs.networks import EABS
from model_store.checkpoint import weights_to_bytes
from model_store.errors import CorruptVersion, InvalidName, ModelStoreError, UnknownModel, UnknownVersion
from model_store.manifest import Manifest, ManifestDraft
from model_store.reader import Resolution
from model_store.store import ModelStore
from tests.model_store.places import Place
from tests.model_store.small import small_draft


@pytest.fixture
def anywhere(any_store: ModelStore, place: Place, model: EABS, draft: ManifestDraft) -> Place:
    """What lies in `any_store`: the one version of `shapes`."""
    any_store.publish(model, draft)
    return place


@pytest.fixture
def published(store: ModelStore, model: EABS, draft: ManifestDraft) -> Path:
    """The folder of the one version of `shapes`."""
    store.publish(model, draft)
    return store.root / "shapes" / "1"


def test_a_store_that_is_not_there_is_empty(any_store: ModelStore) -> None:
    assert any_store.names() == []
    with pytest.raises(UnknownModel, match="no model 'shapes'"):
        any_store.load("shapes")


def test_a_loaded_model_is_the_published_one(any_store: ModelStore, anywhere: Place, model: EABS) -> None:
    loaded = any_store.load("shapes")

    assert weights_to_bytes(loaded.model) == weights_to_bytes(model)
    assert loaded.manifest == any_store.manifest("shapes", "1")
    assert loaded.digest == "sha256:" + hashlib.sha256(anywhere.files()["shapes/1/manifest.json"]).hexdigest()


def test_versions_are_listed_as_people_count(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    for version in ("10", "2", "1"):
        any_store.publish(model, draft, version=version)

    assert any_store.versions("shapes") == ["1", "2", "10"]


def test_without_a_reference_production_is_meant_and_else_the_last(
    any_store: ModelStore, model: EABS, draft: ManifestDraft
) -> None:
    any_store.publish(model, draft, version="9")
    any_store.publish(model, draft, version="10")
    assert any_store.resolve("shapes") == "10"

    any_store.set_alias("shapes", "production", "9")
    assert any_store.resolve("shapes") == any_store.resolve("shapes", "production") == "9"
    assert any_store.load("shapes").manifest.version == "9"
    assert any_store.resolve("shapes", "10") == "10"
    assert any_store.look_up("shapes") == Resolution("9", {"production": "9"})


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize("reference", ["2", "production", "manifest.json"])
def test_an_unknown_reference_is_refused(any_store: ModelStore, reference: str) -> None:
    with pytest.raises(UnknownVersion, match=f"no version '{reference}' of model 'shapes', which has 1"):
        any_store.load("shapes", reference)


@pytest.mark.usefixtures("anywhere")
@pytest.mark.parametrize("bad", ["..", ".", "", "../shapes", "/etc", "1/../1", ".lock", "1\0"])
def test_traversal_is_refused_wherever_a_name_is_taken(
    any_store: ModelStore, model: EABS, draft: ManifestDraft, bad: str
) -> None:
    attempts = [
        lambda: any_store.load(bad),
        lambda: any_store.load("shapes", bad),
        lambda: any_store.resolve("shapes", bad),
        lambda: any_store.versions(bad),
        lambda: any_store.aliases(bad),
        lambda: any_store.manifest("shapes", bad),
        lambda: any_store.verify(bad, "1"),
        lambda: any_store.delete("shapes", bad),
        lambda: any_store.set_alias("shapes", bad, "1"),
        lambda: any_store.set_alias("shapes", "canary", bad),
        lambda: any_store.remove_alias("shapes", bad),
        lambda: any_store.publish(model, draft, version=bad),
        lambda: any_store.publish(model, draft, aliases=[bad]),
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
def test_damage_is_found_in_both_kinds_of_store(any_store: ModelStore, anywhere: Place, file: str) -> None:
    data = anywhere.files()[f"shapes/1/{file}"]
    anywhere.write(f"shapes/1/{file}", data[:-9] + b"?" + data[-8:])

    for read in (any_store.load, lambda name: any_store.verify(name, "1")):
        with pytest.raises(CorruptVersion, match=f"^shapes/1/{file}: expected .*sha256:"):
            read("shapes")


def test_weights_that_are_gone_are_missed_in_both_kinds_of_store(any_store: ModelStore, anywhere: Place) -> None:
    anywhere.remove("shapes/1/weights.safetensors")

    for read in (any_store.load, lambda name: any_store.verify(name, "1")):
        with pytest.raises(CorruptVersion, match=r"^shapes/1/weights\.safetensors: expected a file, found nothing"):
            read("shapes")


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


def test_a_file_that_was_never_published_is_found(any_store: ModelStore, anywhere: Place) -> None:
    anywhere.write("shapes/1/pytorch_model.bin", b"?")

    with pytest.raises(CorruptVersion, match=r"^shapes/1/pytorch_model.bin: expected nothing, found a file"):
        any_store.verify("shapes", "1")


@pytest.mark.parametrize("copy", ["shapes/2", "other/1"])
def test_a_version_copied_to_another_name_is_found(any_store: ModelStore, anywhere: Place, copy: str) -> None:
    anywhere.copy("shapes/1", copy)

    with pytest.raises(CorruptVersion, match=f"expected the manifest of {copy}, found that of shapes/1"):
        any_store.load(*copy.split("/"))


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
    assert sorted(reads) == ["manifest.json", "weights.safetensors"]
    assert published.exists()


def test_an_alias_of_a_version_that_is_gone_is_reported(any_store: ModelStore, anywhere: Place) -> None:
    anywhere.write("shapes/aliases.json", b'{"production": "7"}')

    with pytest.raises(UnknownVersion, match="no version '7' of model 'shapes', which has 1"):
        any_store.load("shapes")


def test_a_version_deleted_while_it_is_read_is_unknown(
    any_store: ModelStore, model: EABS, draft: ManifestDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    any_store.publish(model, draft)
    any_store.publish(model, draft)
    from_bytes = Manifest.from_bytes

    def read_then_delete(data: bytes, *, file: str) -> Manifest:
        any_store.delete("shapes", "2")
        return from_bytes(data, file=file)

    monkeypatch.setattr(Manifest, "from_bytes", read_then_delete)

    with pytest.raises(UnknownVersion, match="no version '2'"):
        any_store.load("shapes", "2")


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
