import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from eabs.candidates import CandidateBank
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.preparation import Preparation
from eabs.settings import EFFORTS, PAPER_SETTINGS
from eabs.workers import Workers
from model_store import preparation_cache
from model_store.preparation_cache import default_cache, load_or_prepare, prepare_inference
from model_store.reader import LoadedModel
from model_store.store import ModelStore
from tests.model_store.small import small_draft


@pytest.fixture
def loaded(store: ModelStore, model: EABS) -> LoadedModel:
    store.publish(model, small_draft())
    return store.load("shapes")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many candidates each decoding so far decoded."""
    counts: list[int] = []
    decode = CandidateBank.decode

    def noted(*args: object, count: int, seed: int, workers: Workers) -> CandidateBank:
        counts.append(count)
        return decode(*args, count=count, seed=seed, workers=workers)  # type: ignore[arg-type]

    monkeypatch.setattr(CandidateBank, "decode", noted)
    return counts


def only_file(cache: Path) -> Path:
    (file,) = cache.iterdir()
    return file


BANK_TENSORS = ("latents", "penalties", "mean", "components", "coordinates", "norms", "residuals")


def equal(first: Preparation, second: Preparation) -> bool:
    banks = (getattr(first.bank, name).equal(getattr(second.bank, name)) for name in BANK_TENSORS)
    return first.metric.equal(second.metric) and all(banks)


def test_a_file_holds_everything_that_was_prepared(loaded: LoadedModel, cache: Path) -> None:
    prepared = load_or_prepare(loaded, cache=cache)

    tensors = load_file(only_file(cache))
    assert tensors.keys() == {*BANK_TENSORS, "metric"}
    assert tensors.pop("metric").equal(prepared.metric)
    assert all(tensor.equal(getattr(prepared.bank, name)) for name, tensor in tensors.items())


def test_a_bank_is_decoded_once(loaded: LoadedModel, cache: Path, decodings: list[int]) -> None:
    first, second = load_or_prepare(loaded, cache=cache), load_or_prepare(loaded, cache=cache)

    assert decodings == [50]
    assert equal(first, second)


def test_answers_are_the_same_with_and_without_a_cache(loaded: LoadedModel, cache: Path) -> None:
    images = torch.rand(3, 1, 8, 8)

    def scores(prepared: LatentInference) -> Tensor:
        return torch.stack([prepared.infer(images, settings).scores for settings in (EFFORTS["fast"], PAPER_SETTINGS)])

    without, made, read = (prepare_inference(loaded, cache=folder) for folder in (None, cache, cache))

    assert scores(without).equal(scores(made))
    assert scores(without).equal(scores(read))


@pytest.mark.cuda
def test_a_preparation_of_the_gpu_comes_back_to_the_gpu(
    store: ModelStore, loaded: LoadedModel, cache: Path, decodings: list[int]
) -> None:
    on_gpu = store.load("shapes", device="cuda")

    first, second = load_or_prepare(on_gpu, cache=cache), load_or_prepare(on_gpu, cache=cache)

    assert decodings == [50]
    assert loaded.model is not on_gpu.model
    assert {tensor.device.type for tensor in (second.bank.coordinates, second.metric)} == {"cuda"}
    assert equal(first, second)


def test_other_content_has_another_key(
    store: ModelStore, model: EABS, loaded: LoadedModel, cache: Path, decodings: list[int]
) -> None:
    load_or_prepare(loaded, cache=cache)
    for changes in ({"candidates": 60}, {"seed": 8}, {"beta": 2.0}):
        store.publish(model, small_draft(**changes))
        load_or_prepare(store.load("shapes"), cache=cache)

    assert decodings == [50, 60, 50, 50]


def test_the_cache_is_its_owners_alone(loaded: LoadedModel, cache: Path) -> None:
    load_or_prepare(loaded, cache=cache / "nested")

    assert (cache / "nested").stat().st_mode & 0o777 == 0o700
    assert only_file(cache / "nested").stat().st_mode & 0o777 == 0o600


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)


def rewrite(change: Callable[[dict[str, Tensor]], object]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
        change(tensors)
        save_file(tensors, file)

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": flip_a_bit,
    "cut short": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "empty": lambda file: file.write_bytes(b""),
    "no safetensors": lambda file: file.write_bytes(b"\xff" * 1000),
    "a missing tensor": rewrite(lambda tensors: tensors.pop("penalties")),
    "no metric": rewrite(lambda tensors: tensors.pop("metric")),
    "another tensor": rewrite(lambda tensors: tensors.update(extra=torch.zeros(1))),
    "another shape": rewrite(lambda tensors: tensors.update(latents=torch.zeros(50, 3))),
    "another type": rewrite(lambda tensors: tensors.update(penalties=torch.zeros(50, dtype=torch.float64))),
    "no checksum": rewrite(lambda tensors: tensors),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_made_again_and_replaced(
    loaded: LoadedModel,
    cache: Path,
    decodings: list[int],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
) -> None:
    preparation = load_or_prepare(loaded, cache=cache)
    intact = only_file(cache).read_bytes()
    damage(only_file(cache))

    assert equal(load_or_prepare(loaded, cache=cache), preparation)
    assert decodings == [50, 50]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is made again" in caplog.text
    assert only_file(cache).read_bytes() == intact


@pytest.mark.parametrize("blocked", ["the folder", "the file"])
def test_a_cache_that_cannot_be_written_costs_a_warning(
    loaded: LoadedModel, cache: Path, caplog: pytest.LogCaptureFixture, blocked: str
) -> None:
    if blocked == "the folder":
        cache.touch()
    else:
        load_or_prepare(loaded, cache=cache)
        file = only_file(cache)
        file.unlink()
        file.mkdir()

    assert len(load_or_prepare(loaded, cache=cache).bank) == 50
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is not kept" in caplog.text
    assert blocked == "the folder" or [only_file(cache)] == [file]


def test_the_newest_preparations_are_kept_and_nothing_else_is_touched(loaded: LoadedModel, cache: Path) -> None:
    cache.mkdir()
    names = [f"{number:064x}.safetensors" for number in range(12)]
    for age, name in enumerate([*names, "weights.safetensors", ".preparing-old"]):
        (cache / name).touch()
        os.utime(cache / name, (1e9 - age, 1e9 - age))
    (cache / ".preparing-young").touch()

    load_or_prepare(loaded, cache=cache)

    left = {entry.name for entry in cache.iterdir()}
    assert len([name for name in left if len(name) > 64]) == preparation_cache.KEPT_FILES
    assert left >= {*names[: preparation_cache.KEPT_FILES - 1], "weights.safetensors", ".preparing-young"}
    assert ".preparing-old" not in left


def test_a_preparation_in_use_counts_as_new(loaded: LoadedModel, cache: Path) -> None:
    load_or_prepare(loaded, cache=cache)
    os.utime(only_file(cache), (0, 0))

    load_or_prepare(loaded, cache=cache)

    assert only_file(cache).stat().st_mtime > 0


@pytest.mark.parametrize(
    ("configured", "expected"),
    [("/var/cache", "/var/cache/eabs"), ("", "/home/me/.cache/eabs"), ("relative", "/home/me/.cache/eabs")],
)
def test_the_default_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, configured: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", configured)

    assert default_cache() == Path(expected)


def test_a_user_without_a_home_has_no_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("~nobody-of-this-name").expanduser())

    assert default_cache() is None
