import json
import shutil
from pathlib import Path

import fsspec
import pytest

from model_store import BUNDLED, ModelStore
from tests.cli.conftest import Eabs
from tests.small_architectures import SMALL_GREY


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(store, tmp_path / "store"))


def test_list_names_versions_and_aliases(eabs: Eabs, store: Path) -> None:
    outcome = eabs("models", "list", "--store", store, "--json")
    assert json.loads(outcome.out) == [{"name": "mnist", "versions": ["1"], "aliases": {"production": "1"}}]


def test_show_prints_the_manifest_of_an_alias(eabs: Eabs, store: Path) -> None:
    manifest = json.loads(eabs("models", "show", "mnist", "production", "--store", store).out)
    assert manifest["version"] == "1"
    assert manifest["architecture"]["latent"] == SMALL_GREY.latent


@pytest.mark.parametrize("name", ModelStore(BUNDLED).names())
def test_the_card_of_an_included_model_is_the_one_in_the_documents(eabs: Eabs, name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "models" / f"{name}.md"
    assert eabs("models", "card", name).out == page.read_text()


@pytest.mark.parametrize("name", ModelStore(BUNDLED).names())
def test_an_included_model_is_whole_and_at_most_ten_megabytes(eabs: Eabs, name: str) -> None:
    version = ModelStore(BUNDLED).resolve(name, None)
    assert eabs("models", "verify", name, version).code == 0
    assert sum(file.stat().st_size for file in (BUNDLED / name / version).iterdir()) <= 10_000_000


def test_a_card_is_of_the_version_that_is_named(eabs: Eabs, store: Path) -> None:
    for reference in ("mnist", "mnist@1", "mnist@production"):
        assert eabs("models", "card", reference, "--store", store).out.startswith("# mnist, version 1\n")
    outcome = eabs("models", "card", "mnist@7", "--store", store)
    assert outcome.code == 1
    assert "no version '7'" in outcome.err


def test_verify_finds_a_flipped_byte(eabs: Eabs, own_store: Path) -> None:
    assert eabs("models", "verify", "mnist", "1", "--store", own_store).code == 0
    weights = own_store / "mnist" / "1" / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    outcome = eabs("models", "verify", "mnist", "1", "--store", own_store)
    assert outcome.code == 1
    assert "sha256" in outcome.err


def test_a_version_can_be_deleted_once_no_alias_points_at_it(eabs: Eabs, own_store: Path) -> None:
    assert eabs("models", "delete", "mnist", "1", "--store", own_store).code == 1
    (own_store / "mnist" / "aliases.json").unlink()
    assert eabs("models", "delete", "mnist", "1", "--store", own_store).code == 0
    assert json.loads(eabs("models", "list", "--store", own_store, "--json").out) == []


def test_an_alias_can_be_set(eabs: Eabs, own_store: Path) -> None:
    assert eabs("models", "alias", "mnist", "canary", "1", "--store", own_store).code == 0
    assert json.loads(eabs("models", "list", "--store", own_store, "--json").out)[0]["aliases"]["canary"] == "1"


def test_an_unknown_model_fails_with_a_reason(eabs: Eabs, store: Path) -> None:
    outcome = eabs("models", "show", "svhn", "--store", store)
    assert outcome.code == 1
    assert "svhn" in outcome.err


def test_a_folder_that_is_no_run_cannot_be_published(eabs: Eabs, tmp_path: Path) -> None:
    outcome = eabs("models", "publish", tmp_path, "--data", tmp_path, "--store", tmp_path / "store")
    assert outcome.code == 1
    assert "eabs train" in outcome.err


def test_a_store_may_lie_at_a_url(eabs: Eabs, store: Path, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/store"
    fsspec.filesystem("memory").put(f"{store}/mnist", f"{tmp_path.name}/store/", recursive=True)

    assert eabs("models", "verify", "mnist", "1", "--store", url).code == 0
    assert eabs("models", "alias", "mnist", "canary", "1", "--store", url).code == 0
    assert json.loads(eabs("models", "list", "--store", url, "--json").out) == [
        {"name": "mnist", "versions": ["1"], "aliases": {"canary": "1", "production": "1"}}
    ]


@pytest.mark.parametrize("command", [("list",), ("show", "mnist"), ("verify", "mnist", "1"), ("delete", "mnist", "1")])
def test_a_url_that_cannot_be_opened_is_told(eabs: Eabs, command: tuple[str, ...]) -> None:
    outcome = eabs("models", *command, "--store", "nowhere://models")
    assert outcome.code == 1
    assert "nowhere" in outcome.err
    assert "Traceback" not in outcome.err


def test_the_store_of_the_environment_may_be_a_url(eabs: Eabs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EABS_STORE", "nowhere://models")
    assert "nowhere" in eabs("models", "list").err
    assert "nowhere" in eabs("classify", "docs/examples/mnist-7-a.png").err
