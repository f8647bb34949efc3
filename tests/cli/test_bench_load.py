import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.cli.conftest import Eabs
from tests.service.running_server import RunningServer


@pytest.fixture(scope="module")
def loaded(store: Path) -> Iterator[RunningServer]:
    with RunningServer(Settings(store=store, cache_dir=None, device="cpu", threads=1, cache_bytes=0)) as running:
        yield running


def test_rates_and_forms_are_measured_beside_the_engine(
    eabs: Eabs, loaded: RunningServer, store: Path, mnist_folder: Path
) -> None:
    server = ("--url", loaded.url, "--store", store, "--data", mnist_folder, "--effort", "fast")
    outcome = eabs("bench", "load", *server, "--rates", "10,4", "--forms-rate", 32, "--seconds", 0.5, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert [level["offered"] for level in found["rates"]] == [10, 4]
    assert [level["form"] for level in found["forms"]][:2] == ["PNG", "16 PNGs in a form"]
    assert [level["offered"] for level in found["forms"]] == [32] * 6
    assert all(level["errors"] == 0 for level in found["rates"] + found["forms"])
    best = max(level["achieved"] for level in found["rates"])
    assert found["share_of_engine"] == pytest.approx(best / found["engine_images_per_s"])


def test_the_tables_name_the_engine_and_the_knee(
    eabs: Eabs, loaded: RunningServer, store: Path, mnist_folder: Path
) -> None:
    server = ("--url", loaded.url, "--store", store, "--data", mnist_folder, "--effort", "fast")
    outcome = eabs("bench", "load", *server, "--rates", "4", "--forms-rate", 4, "--seconds", 0.5)
    assert outcome.code == 0, outcome.err
    assert "keeps up with" in outcome.out
    assert "The bare engine, batch 32" in outcome.out
    # A narrow table breaks names at their blanks.
    assert {"binary", "tensor"} <= set(outcome.out.split())


@pytest.mark.parametrize("wrong", [["--rates", "4,fast"], ["--rates", "0"], ["--rates", ""], ["--url", "127.0.0.1:1"]])
def test_what_is_no_rate_and_no_address_is_a_usage_error(
    eabs: Eabs, store: Path, mnist_folder: Path, wrong: list[str]
) -> None:
    outcome = eabs("bench", "load", "--store", store, "--data", mnist_folder, *wrong)
    assert outcome.code == 2
    assert f"{wrong[0]}: expected" in outcome.err
