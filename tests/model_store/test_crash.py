import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eabs.networks import EABS
from model_store import disk
from model_store.errors import UnknownModel
from model_store.store import ModelStore
from tests.model_store.crashing import KINDS, OPERATIONS
from tests.model_store.small import small_draft

State = tuple[list[str], dict[str, str]]

BEFORE: State = (["1", "2"], {"production": "1"})

# The states that a reader may find, in the order in which it may find them.
STATES: dict[str, list[State]] = {
    "first": [([], {}), (["1"], {}), (["1"], {"production": "1"})],
    "next": [BEFORE, (["1", "2", "3"], {"production": "1"}), (["1", "2", "3"], {"production": "3"})],
    "alias": [BEFORE, (["1", "2"], {"production": "2"})],
    "unalias": [BEFORE, (["1", "2"], {})],
    "delete": [BEFORE, (["1"], {"production": "1"})],
}


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stores that killed writers left, by kind, by operation and by the call before which they were killed."""
    folder = tmp_path_factory.mktemp("killed")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", "tests.model_store.crashing", str(folder)],
        check=True,
        cwd=Path(__file__).parents[2],
        env=environment,
        timeout=120,
    )
    return folder


def model_of(operation: str) -> str:
    return "fresh" if operation == "first" else "shapes"


def seen(store: ModelStore, name: str) -> State:
    """What a reader finds: versions, each of them whole, and aliases."""
    try:
        versions, aliases = store.versions(name), store.aliases(name)
    except UnknownModel:
        assert name not in store.names()
        return [], {}
    for version in versions:
        store.verify(name, version)
        assert store.load(name, version).manifest.version == version
    assert store.load(name).manifest.version == aliases.get("production", versions[-1])
    return versions, aliases


def stores(killed: Path, kind: str, operation: str) -> list[tuple[Path, ModelStore]]:
    """The folders of all stores that the operation left when it was killed, and the stores."""
    folders = [folder / "store" for folder in sorted((killed / kind / operation).iterdir())]
    return [(folder, KINDS[kind](folder)) for folder in folders]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_killed_writer_leaves_the_old_state_or_the_new(killed: Path, kind: str, operation: str) -> None:
    states = [seen(store, model_of(operation)) for _, store in stores(killed, kind, operation)]

    # Every state is met, and none comes back: the calls are killed in their order.
    assert len(states) > len(STATES[operation])
    assert [state for index, state in enumerate(states) if index == 0 or state != states[index - 1]] == STATES[
        operation
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_killed_writer_s_claim_does_not_stop_the_next_publish(
    killed: Path, operation: str, model: EABS, tmp_path: Path
) -> None:
    name = model_of(operation)
    for left, _ in stores(killed, "objects", operation):
        store = KINDS["objects"](Path(shutil.copytree(left, tmp_path / left.parent.name / "store")))
        versions, _ = seen(store, name)

        published = store.publish(model, small_draft(name=name), aliases=["production"])

        assert seen(store, name) == ([*versions, published.version], {"production": published.version})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_publish_succeeds_and_tidies_up_what_a_killed_writer_left_an_hour_ago(
    killed: Path, kind: str, operation: str, model: EABS, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + disk.LEFT_OVER_AGE + 60
    monkeypatch.setattr(time, "time", lambda: later)
    name = model_of(operation)
    for folder, store in stores(killed, kind, operation):
        versions, _ = seen(store, name)

        published = store.publish(model, small_draft(name=name), aliases=["production"])

        files = {str(path.relative_to(folder / name)) for path in (folder / name).rglob("*") if path.is_file()}
        expected = {
            f"{version}/{file}" for version in (*versions, published.version) for file in files_of(store, name, version)
        }
        assert files - {".lock"} == expected | {"aliases.json"}


def files_of(store: ModelStore, name: str, version: str) -> set[str]:
    """What was published of a version."""
    return {*store.manifest(name, version).files, "manifest.json"}
