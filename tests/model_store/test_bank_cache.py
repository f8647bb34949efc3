import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from eabs.candidates import CandidateBank
from eabs.inference import EFFORTS, LatentInference
from eabs.networks import EABS
from model_store import bank_cache
from model_store.bank_cache import default_cache, load_or_decode, prepare_inference
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

    def noted(*args: object, count: int, seed: int) -> CandidateBank:
        counts.append(count)
        return decode(*args, count=count, seed=seed)  # type: ignore[arg-type]

    monkeypatch.setattr(CandidateBank, "decode", noted)
    return counts


def only_file(cache: Path) -> Path:
    (file,) = cache.iterdir()
    return file


def equal(first: CandidateBank, second: CandidateBank) -> bool:
    return all(getattr(first, name).equal(getattr(second, name)) for name in ("latents", "images", "penalties"))


def test_a_bank_is_decoded_once(loaded: LoadedModel, cache: Path, decodings: list[int]) -> None:
    first, second = load_or_decode(loaded, cache=cache), load_or_decode(loaded, cache=cache)

    assert decodings == [50]
    assert equal(first, second)


def test_answers_are_the_same_with_and_without_a_cache(loaded: LoadedModel, cache: Path) -> None:
    images = torch.rand(3, 1, 8, 8)

    def scores(prepared: LatentInference) -> Tensor:
        return prepared.infer(images, EFFORTS["fast"]).scores

    without, decoded, mapped = (prepare_inference(loaded, cache=folder) for folder in (None, cache, cache))

    assert scores(without).equal(scores(decoded))
    assert scores(without).equal(scores(mapped))


@pytest.mark.cuda
def test_a_bank_of_the_gpu_comes_back_to_the_gpu(
    store: ModelStore, loaded: LoadedModel, cache: Path, decodings: list[int]
) -> None:
    on_gpu = store.load("shapes", device="cuda")

    first, second = load_or_decode(on_gpu, cache=cache), load_or_decode(on_gpu, cache=cache)

    assert decodings == [50]
    assert loaded.model is not on_gpu.model
    assert second.images.device.type == "cuda"
    assert equal(first, second)


def test_other_content_has_another_key(
    store: ModelStore, model: EABS, loaded: LoadedModel, cache: Path, decodings: list[int]
) -> None:
    load_or_decode(loaded, cache=cache)
    for changes in ({"candidates": 60}, {"seed": 8}, {"beta": 2.0}):
        store.publish(model, small_draft(**changes))
        load_or_decode(store.load("shapes"), cache=cache)

    assert decodings == [50, 60, 50, 50]


def test_the_cache_is_its_owners_alone(loaded: LoadedModel, cache: Path) -> None:
    load_or_decode(loaded, cache=cache / "nested")

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
    "another tensor": rewrite(lambda tensors: tensors.update(extra=torch.zeros(1))),
    "another shape": rewrite(lambda tensors: tensors.update(latents=torch.zeros(50, 3))),
    "another type": rewrite(lambda tensors: tensors.update(penalties=torch.zeros(50, dtype=torch.float64))),
    "no checksum": rewrite(lambda tensors: tensors),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_decoded_again_and_replaced(
    loaded: LoadedModel,
    cache: Path,
    decodings: list[int],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
) -> None:
    bank = load_or_decode(loaded, cache=cache)
    intact = only_file(cache).read_bytes()
    damage(only_file(cache))

    assert equal(load_or_decode(loaded, cache=cache), bank)
    assert decodings == [50, 50]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is decoded again" in caplog.text
    assert only_file(cache).read_bytes() == intact


@pytest.mark.parametrize("blocked", ["the folder", "the file"])
def test_a_cache_that_cannot_be_written_costs_a_warning(
    loaded: LoadedModel, cache: Path, caplog: pytest.LogCaptureFixture, blocked: str
) -> None:
    if blocked == "the folder":
        cache.touch()
    else:
        load_or_decode(loaded, cache=cache)
        file = only_file(cache)
        file.unlink()
        file.mkdir()

    assert len(load_or_decode(loaded, cache=cache)) == 50
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "is not kept" in caplog.text
    assert blocked == "the folder" or [only_file(cache)] == [file]


def test_the_newest_banks_are_kept_and_nothing_else_is_touched(loaded: LoadedModel, cache: Path) -> None:
    cache.mkdir()
    names = [f"{number:064x}.safetensors" for number in range(12)]
    for age, name in enumerate([*names, "weights.safetensors", ".decoding-old"]):
        (cache / name).touch()
        os.utime(cache / name, (1e9 - age, 1e9 - age))
    (cache / ".decoding-young").touch()

    load_or_decode(loaded, cache=cache)

    left = {entry.name for entry in cache.iterdir()}
    assert len([name for name in left if len(name) > 64]) == bank_cache.KEPT_FILES
    assert left >= {*names[: bank_cache.KEPT_FILES - 1], "weights.safetensors", ".decoding-young"}
    assert ".decoding-old" not in left


def test_a_bank_in_use_counts_as_new(loaded: LoadedModel, cache: Path) -> None:
    load_or_decode(loaded, cache=cache)
    os.utime(only_file(cache), (0, 0))

    load_or_decode(loaded, cache=cache)

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
