import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from eabs.networks import EABS
from model_store import disk
from model_store.errors import (
    CorruptVersion,
    InvalidAliases,
    InvalidManifest,
    InvalidName,
    InvalidWeights,
    ModelStoreError,
    NameTaken,
    UnknownAlias,
    UnknownModel,
    UnknownVersion,
    VersionExists,
    VersionInUse,
)
from model_store.manifest import ManifestDraft
from model_store.store import ModelStore
from tests.model_store.places import Place
from tests.model_store.small import ARCHITECTURE, small_bank, small_draft, small_prototypes


def test_publishing_completes_the_draft(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    manifest = any_store.publish(model, draft)

    assert ManifestDraft(**manifest.model_dump(include=set(ManifestDraft.model_fields))) == draft
    assert manifest.version == "1"
    assert datetime.now(UTC) - manifest.created < timedelta(minutes=1)
    assert manifest.libraries["torch"] == torch.__version__
    assert list(manifest.files) == ["weights.safetensors"]
    assert any_store.manifest("shapes", "1") == manifest


def test_a_prototype_bank_is_published_with_its_model(any_store: ModelStore, model: EABS) -> None:
    bank = small_bank()

    manifest = any_store.publish(model, small_draft(prototypes=small_prototypes()), prototypes=bank)

    loaded = any_store.load("shapes")
    assert sorted(manifest.files) == ["prototypes.safetensors", "weights.safetensors"]
    assert loaded.prototypes is not None
    assert torch.equal(loaded.prototypes.coordinates, bank.coordinates)
    any_store.verify("shapes", "1")


def test_a_damaged_prototype_bank_is_not_loaded(any_store: ModelStore, place: Place, model: EABS) -> None:
    any_store.publish(model, small_draft(prototypes=small_prototypes()), prototypes=small_bank())
    data = place.files()["shapes/1/prototypes.safetensors"]
    place.write("shapes/1/prototypes.safetensors", data[:-1] + b"?")

    with pytest.raises(CorruptVersion, match=r"prototypes\.safetensors"):
        any_store.load("shapes")


def test_a_bank_is_not_published_without_its_description(any_store: ModelStore, model: EABS) -> None:
    with pytest.raises(InvalidManifest, match="prototypes: expected the bank's 6, got a description of None"):
        any_store.publish(model, small_draft(), prototypes=small_bank())


def test_a_bank_is_not_described_without_being_published(any_store: ModelStore, model: EABS) -> None:
    with pytest.raises(InvalidManifest, match="prototypes: expected the bank's None, got a description of 6"):
        any_store.publish(model, small_draft(prototypes=small_prototypes()))


def test_versions_are_numbered_by_default(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    for version in (None, None, "9", None, "rc", None):
        any_store.publish(model, draft, version=version)

    assert any_store.versions("shapes") == ["1", "2", "9", "10", "11", "rc"]


def test_a_number_that_an_alias_has_is_not_given_to_a_version(
    any_store: ModelStore, model: EABS, draft: ManifestDraft
) -> None:
    any_store.publish(model, draft, aliases=["2"])

    assert any_store.publish(model, draft).version == "3"


def test_a_published_version_is_never_replaced(
    any_store: ModelStore, place: Place, model: EABS, draft: ManifestDraft
) -> None:
    any_store.publish(model, draft)
    before = place.files()

    with pytest.raises(VersionExists, match="shapes/1 exists"):
        any_store.publish(model, draft, version="1", aliases=["production"])

    assert place.files() == before


def test_a_version_that_a_lockless_publisher_made_first_is_not_replaced(
    store: ModelStore, model: EABS, draft: ManifestDraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_folder = disk.add_folder

    def come_second(folder: Path, files: dict[str, bytes]) -> None:
        add_folder(folder, {"first": b""})
        add_folder(folder, files)

    monkeypatch.setattr(disk, "add_folder", come_second)

    with pytest.raises(VersionExists):
        store.publish(model, draft)
    assert [file.name for file in (store.root / "shapes" / "1").iterdir()] == ["first"]


def race(count: int, publish: Callable[[], object]) -> list[object]:
    """What `count` threads that publish at once got: a version or the class of an error."""
    results: list[object] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        try:
            results.append(publish())
        except ModelStoreError as error:
            results.append(type(error))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_publishers_of_one_version_one_wins(store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    results = race(2, lambda: store.publish(model, draft, version="1").version)

    assert sorted(map(str, results)) == ["1", str(VersionExists)]
    store.verify("shapes", "1")


def test_publishers_that_name_no_version_get_one_each(store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    results = race(5, lambda: store.publish(model, draft).version)

    assert sorted(map(str, results)) == ["1", "2", "3", "4", "5"]


def test_a_draft_of_another_architecture_is_refused(any_store: ModelStore, place: Place, draft: ManifestDraft) -> None:
    with pytest.raises(InvalidManifest, match="architecture: expected the model's"):
        any_store.publish(EABS(replace(ARCHITECTURE, discriminator=(9,))), draft)

    assert place.files() == {}


def test_weights_that_nobody_should_serve_are_refused(
    any_store: ModelStore, place: Place, model: EABS, draft: ManifestDraft
) -> None:
    torch.nn.init.constant_(model.encoder.mean.bias, torch.nan)

    with pytest.raises(InvalidWeights):
        any_store.publish(model, draft)
    assert place.files() == {}


def test_a_model_with_a_layer_that_its_architecture_has_not_is_refused(
    any_store: ModelStore, model: EABS, draft: ManifestDraft
) -> None:
    model.add_module("extra", torch.nn.Linear(2, 2))
    with pytest.raises(InvalidWeights, match=r"unexpected extra\.weight"):
        any_store.publish(model, draft)
    assert any_store.names() == []


def test_a_published_manifest_can_be_published_again(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    first = any_store.publish(model, draft)
    second = any_store.publish(model, first)
    assert second.version == "2"
    assert second.model_dump(exclude={"version", "created"}) == first.model_dump(exclude={"version", "created"})


def test_a_published_model_can_still_be_trained(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    any_store.publish(model, draft)

    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_every_user_may_read_what_the_umask_lets_them(store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    store.root.mkdir()
    (store.root / "plain").mkdir()
    (store.root / "plain" / "file").touch()

    store.publish(model, draft)

    version = store.root / "shapes" / "1"
    assert version.stat().st_mode == (store.root / "plain").stat().st_mode
    assert (version / "manifest.json").stat().st_mode == (store.root / "plain" / "file").stat().st_mode


def test_a_model_folder_that_leads_out_of_the_store_is_not_published_to(
    store: ModelStore, model: EABS, draft: ManifestDraft, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    store.root.mkdir()
    (store.root / "shapes").symlink_to(outside)

    with pytest.raises(InvalidName, match="leaves the store"):
        store.publish(model, draft)
    assert list(outside.iterdir()) == []


def test_aliases_move_and_go(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    any_store.publish(model, draft, aliases=["production", "canary"])
    any_store.publish(model, draft, aliases=["canary"])
    assert any_store.aliases("shapes") == {"canary": "2", "production": "1"}

    any_store.set_alias("shapes", "production", "2")
    any_store.remove_alias("shapes", "canary")
    assert any_store.aliases("shapes") == {"production": "2"}


def test_a_reference_never_means_two_things(
    any_store: ModelStore, place: Place, model: EABS, draft: ManifestDraft
) -> None:
    any_store.publish(model, draft, aliases=["stable"])
    before = place.files()

    for attempt in (
        lambda: any_store.publish(model, draft, version="stable"),
        lambda: any_store.publish(model, draft, aliases=["1"]),
        lambda: any_store.publish(model, draft, version="new", aliases=["new"]),
        lambda: any_store.set_alias("shapes", "1", "1"),
    ):
        with pytest.raises(NameTaken, match=r"got (stable|1|new) for both"):
            attempt()
    assert place.files() == before


def test_an_alias_points_at_versions_only(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    any_store.publish(model, draft, aliases=["stable"])

    for target in ("2", "stable"):
        with pytest.raises(UnknownVersion):
            any_store.set_alias("shapes", "production", target)
    with pytest.raises(UnknownAlias, match="which has stable"):
        any_store.remove_alias("shapes", "production")


def test_writing_to_an_unknown_model_makes_nothing(any_store: ModelStore, place: Place) -> None:
    for attempt in (
        lambda: any_store.set_alias("shapes", "production", "1"),
        lambda: any_store.remove_alias("shapes", "production"),
        lambda: any_store.delete("shapes", "1"),
    ):
        with pytest.raises(UnknownModel):
            attempt()
    assert place.files() == {}


def test_damaged_aliases_are_not_overwritten(
    any_store: ModelStore, place: Place, model: EABS, draft: ManifestDraft
) -> None:
    any_store.publish(model, draft)
    place.write("shapes/aliases.json", b"{")

    with pytest.raises(InvalidAliases):
        any_store.set_alias("shapes", "production", "1")
    assert place.files()["shapes/aliases.json"] == b"{"


def test_a_version_in_use_is_not_deleted(any_store: ModelStore, model: EABS, draft: ManifestDraft) -> None:
    any_store.publish(model, draft, aliases=["production"])

    with pytest.raises(VersionInUse, match="shapes/1 is what production points at"):
        any_store.delete("shapes", "1")
    any_store.verify("shapes", "1")


def test_a_deleted_version_is_gone(any_store: ModelStore, place: Place, model: EABS, draft: ManifestDraft) -> None:
    any_store.publish(model, draft)
    any_store.publish(model, draft)

    any_store.delete("shapes", "1")
    assert any_store.versions("shapes") == ["2"]

    any_store.delete("shapes", "2")
    assert any_store.names() == []
    assert place.files() == {}


def test_publishing_sweeps_what_killed_publishers_left(
    store: ModelStore, model: EABS, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish(model, small_draft())
    shutil.copytree(store.root / "shapes" / "1", store.root / "shapes" / ".publishing-0123")
    assert store.versions("shapes") == ["1"]
    later = time.time() + disk.LEFT_OVER_AGE + 60
    monkeypatch.setattr(time, "time", lambda: later)

    store.publish(model, small_draft())

    assert not (store.root / "shapes" / ".publishing-0123").exists()
