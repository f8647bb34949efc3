import asyncio
import gc
import logging
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from model_store import CorruptVersion, ModelStore, StoreUnreachable
from model_store.remote_folder import RemoteFolder
from service.errors import NotFound
from service.models.reference import ModelReference
from service.models.wishes import Wishes
from service.runtime import Runtime
from service.settings import Settings
from tests.service.models.publishing import damage, publish
from tests.service.started_runtime import with_runtime as start_and_run

Test = Callable[[Runtime], Awaitable[None]]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A store with version 1 of mnist in production."""
    store = ModelStore(tmp_path / "store")
    publish(store)
    return store


def with_runtime(settings: Settings, store: ModelStore, test: Test, *, models: str = "mnist@production") -> None:
    """Runs a test with a started runtime on the store, which does not follow it by itself."""
    start_and_run(settings.model_copy(update={"store": store.root, "models": models, "poll_s": 0}), test)


def served(runtime: Runtime, reference: str | None = None) -> str:
    return runtime.catalogue.find("mnist", reference).version


def test_an_alias_that_moves_is_followed(settings: Settings, store: ModelStore) -> None:
    async def test(runtime: Runtime) -> None:
        publish(store, seed=1)
        assert served(runtime) == "1"
        await runtime.keeper.refresh()
        assert (served(runtime), served(runtime, "production"), served(runtime, "2")) == ("2", "2", "2")
        store.set_alias("mnist", "production", "1")
        await runtime.keeper.refresh()
        assert served(runtime) == "1"

    with_runtime(settings, store, test)


def test_a_reference_to_a_version_stays_where_it_is(settings: Settings, store: ModelStore) -> None:
    async def test(runtime: Runtime) -> None:
        publish(store, seed=1)
        await runtime.keeper.refresh()
        assert served(runtime) == "1"

    with_runtime(settings, store, test, models="mnist@1")


def test_several_versions_are_served_at_once(settings: Settings, store: ModelStore) -> None:
    publish(store, seed=1, alias="next")

    async def test(runtime: Runtime) -> None:
        assert [model.version for model in runtime.catalogue] == ["1", "2"]
        assert (served(runtime), served(runtime, "next"), served(runtime, "1")) == ("1", "2", "1")

    with_runtime(settings, store, test, models="mnist@production,mnist@next")


def test_a_damaged_version_is_not_served_and_a_good_one_after_it_is(
    settings: Settings, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(runtime: Runtime) -> None:
        damage(store, publish(store, seed=1))
        with caplog.at_level(logging.ERROR):
            await runtime.keeper.refresh()
        assert served(runtime) == served(runtime, "production") == "1"
        assert "version 1 stays: mnist/2/weights.safetensors: expected sha256:" in caplog.text
        publish(store, seed=2)
        await runtime.keeper.refresh()
        assert served(runtime) == "3"

    with_runtime(settings, store, test)


def test_a_version_that_cannot_answer_is_rolled_back(
    settings: Settings, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(runtime: Runtime) -> None:
        publish(store, seed=1, weight_scale=1e30)
        with caplog.at_level(logging.ERROR):
            await runtime.keeper.refresh()
        assert served(runtime) == "1"
        assert "version 1 stays: mnist 2: expected answers to black images, got ValueError" in caplog.text

    with_runtime(settings, store, test)


def test_what_could_not_be_loaded_is_not_tried_at_every_turn(settings: Settings, store: ModelStore) -> None:
    async def test(runtime: Runtime) -> None:
        damage(store, publish(store, seed=1))
        for _ in range(3):
            await runtime.keeper.refresh()
        failed = runtime.metrics.registry.get_sample_value(
            "eabs_model_loads_total", {"model": "mnist", "outcome": "failed"}
        )
        assert failed == 1

    with_runtime(settings, store, test)


def test_who_asks_for_a_load_is_told_at_every_try_why_it_fails(settings: Settings, store: ModelStore) -> None:
    async def test(runtime: Runtime) -> None:
        damage(store, publish(store, seed=1))
        for _ in range(2):
            with pytest.raises(CorruptVersion):
                await runtime.keeper.load(ModelReference("mnist", "production"))
        assert served(runtime) == "1"

    with_runtime(settings, store, test)


def test_a_store_that_is_gone_is_complained_of_once_and_changes_nothing(
    settings: Settings, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(runtime: Runtime) -> None:
        store.root.rename(store.root.with_name("away"))
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                await runtime.keeper.refresh()
        assert served(runtime) == "1"
        assert caplog.text.count("could not be brought up to date") == 1
        store.root.with_name("away").rename(store.root)
        publish(store, seed=1)
        await runtime.keeper.refresh()
        assert served(runtime) == "2"

    with_runtime(settings, store, test)


def test_a_version_is_freed_when_its_last_request_is_gone(settings: Settings, store: ModelStore) -> None:
    async def test(runtime: Runtime) -> None:
        held = runtime.catalogue.find("mnist", None)
        freed = weakref.ref(held.classifiers)
        publish(store, seed=1)
        await runtime.keeper.refresh()
        gc.collect()
        assert freed() is not None
        del held
        gc.collect()
        assert freed() is None

    with_runtime(settings, store, test)


def test_an_unloaded_model_is_not_found_nor_followed_until_it_is_loaded(settings: Settings, store: ModelStore) -> None:
    async def test(runtime: Runtime) -> None:
        assert await runtime.keeper.unload("mnist") is True
        assert await runtime.keeper.unload("mnist") is False
        assert runtime.unready_because() == "No model is loaded."
        await runtime.keeper.refresh()
        with pytest.raises(NotFound):
            served(runtime)
        await runtime.keeper.load(ModelReference("mnist"))
        assert served(runtime) == "1"
        assert runtime.unready_because() is None

    with_runtime(settings, store, test)


@pytest.fixture
def take_down(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes every remote store unreachable."""

    def fail(*_: object, **__: object) -> None:
        raise StoreUnreachable("no answer")

    return lambda: monkeypatch.setattr(RemoteFolder, "_call", fail)


@pytest.fixture
def remote(tmp_path: Path, settings: Settings) -> tuple[Settings, ModelStore]:
    """A remote store with version 1 of mnist in production, and settings that cache what is loaded of it."""
    store = ModelStore(f"memory://{tmp_path.name}/store")
    publish(store)
    return settings.model_copy(update={"cache_dir": tmp_path / "cache"}), store


@pytest.mark.parametrize("models", ["mnist", "mnist@production", "mnist@1"])
def test_a_store_that_is_away_stops_no_start_of_what_was_served_before(
    remote: tuple[Settings, ModelStore],
    take_down: Callable[[], None],
    caplog: pytest.LogCaptureFixture,
    models: str,
) -> None:
    async def test(runtime: Runtime) -> None:
        assert (served(runtime), served(runtime, "production"), runtime.state) == ("1", "1", "ready")

    with_runtime(*remote, test, models=models)
    take_down()
    with_runtime(*remote, test, models=models)
    assert f"{models}: taken for version 1, as the store last said: no answer" in caplog.text


def test_a_store_that_goes_away_leaves_what_is_served(
    remote: tuple[Settings, ModelStore], take_down: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def test(runtime: Runtime) -> None:
        publish(remote[1], seed=1, alias="next")
        take_down()
        await runtime.keeper.refresh()
        assert served(runtime) == "1"

    with_runtime(*remote, test)
    assert "mnist@production: could not be brought up to date, version 1 stays: no answer" in caplog.text


def test_a_version_published_to_a_remote_store_is_followed(remote: tuple[Settings, ModelStore]) -> None:
    async def test(runtime: Runtime) -> None:
        publish(remote[1], seed=1)
        await runtime.keeper.refresh()
        assert served(runtime) == "2"

    with_runtime(*remote, test)


def test_what_one_worker_is_told_the_others_do(settings: Settings, store: ModelStore, tmp_path: Path) -> None:
    publish(store, seed=1, alias=None)
    own = settings.model_copy(update={"store": str(store.root), "models": "mnist@1", "poll_s": 0})

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.05)

    async def run() -> None:
        one, other = (Runtime(own, wishes=Wishes(own.references, file=tmp_path / "wishes.json")) for _ in range(2))
        try:
            await asyncio.gather(one.start(), other.start())
            await one.keeper.load(ModelReference("mnist", "2"))
            await until(lambda: len(list(other.catalogue)) == 2)
            assert served(other, "2") == "2"
            await other.keeper.unload("mnist")
            await until(lambda: one.unready_because() == "No model is loaded.")
        finally:
            await asyncio.gather(one.stop(), other.stop())

    asyncio.run(run())
