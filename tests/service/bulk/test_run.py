import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet as pq

from model_store import UnknownModel
from service.bulk.errors import InputError, OutputError
from service.bulk.parts import folder_of
from service.bulk.run import Task, score_in_bulk
from service.choices import CertificateChoice, ClassifyChoice
from service.errors import Invalid
from service.local import classify_locally
from service.settings import Settings
from tests.service.pictures import random_pixels, random_png

ROOT = Path(__file__).parents[3]
QUICK = ClassifyChoice("finite-bank")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three images and two that are none, in a folder."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in (0, 2, 4):
        (folder / f"{index}.png").write_bytes(random_png(index))
    (folder / "1.png").write_bytes(b"I am a text")
    (folder / "3.png").write_bytes(random_png()[:100])
    return folder


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """40 images with classes."""
    path = tmp_path / "images.npz"
    np.savez(path, images=random_pixels(1, (40, 28, 28)), labels=np.arange(40) % 10)
    return path


def rows_of(output: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(output).to_pylist()
    return rows


def test_every_image_has_the_answer_that_it_has_alone_and_a_bad_one_its_error(
    images: Path, tmp_path: Path, settings: Settings
) -> None:
    output = tmp_path / "out.parquet"
    told: list[tuple[int, int]] = []
    task = Task(images, output, settings, ClassifyChoice(effort="fast"))
    summary = score_in_bulk(task, progress=lambda *done: told.append(done))
    rows = rows_of(output)
    assert [row["id"] for row in rows] == [f"{index}.png" for index in range(5)]
    assert [row["error"] is not None for row in rows] == [False, True, False, True, False]
    assert "expected PNG, JPEG or WebP" in rows[1]["error"]
    assert rows[1]["prediction"] is None
    good = [images / f"{index}.png" for index in (0, 2, 4)]
    alone = settings.model_copy(update={"models": "mnist"})
    answer = classify_locally([file.read_bytes() for file in good], alone, choice=ClassifyChoice(effort="fast"))
    for row, result in zip(rows[::2], answer.results, strict=True):
        assert result.prediction is not None
        assert row["image_id"] == result.image_id
        assert (row["prediction"], row["label"]) == (result.prediction.index, result.prediction.label)
        assert row["log_likelihood"] == [score.log_likelihood for score in result.classes]
        assert row["posterior"] == result.classes[result.prediction.index].posterior
        assert (row["typicality"], row["out_of_distribution"]) == (result.typicality, result.out_of_distribution)
    assert (summary.images, summary.errors, summary.predicted, summary.resumed) == (5, 2, 3, 0)
    assert summary.model == answer.model.model_dump()
    assert (told[0], told[-1]) == ((0, 5), (5, 5))


def test_a_killed_run_goes_on_without_computing_again_and_makes_the_same_file(
    npz: Path, tmp_path: Path, store_root: Path
) -> None:
    output, undisturbed = tmp_path / "killed.parquet", tmp_path / "undisturbed.parquet"

    def run(output: Path, last: int) -> int:
        call = [sys.executable, "-m", "tests.service.bulk.killed_run", npz, output, store_root, str(last)]
        return subprocess.run(call, cwd=ROOT, check=False, timeout=120).returncode

    assert run(output, 16) == -signal.SIGKILL
    assert not output.exists()
    assert folder_of(output).exists()
    settings = Settings(store=store_root, cache_dir=None, device="cpu", threads=1)
    told: list[int] = []
    summary = score_in_bulk(Task(npz, output, settings, ClassifyChoice()), progress=lambda done, _: told.append(done))
    assert 8 <= summary.resumed <= 32
    assert told[0] == summary.resumed
    score_in_bulk(Task(npz, undisturbed, settings, ClassifyChoice()))
    assert output.read_bytes() == undisturbed.read_bytes()
    assert [row["id"] for row in rows_of(output)] == [str(index) for index in range(40)]
    assert summary.accuracy == np.mean([row["prediction"] == row["target"] for row in rows_of(output)])


def test_a_finished_run_is_not_done_again(images: Path, tmp_path: Path, settings: Settings) -> None:
    task = Task(images, tmp_path / "out.parquet", settings, QUICK)
    first = score_in_bulk(task)
    before = task.output.stat().st_mtime_ns
    again = score_in_bulk(task)
    assert (again.resumed, again.images, again.errors) == (5, first.images, first.errors)
    assert task.output.stat().st_mtime_ns == before


def test_certificates_have_columns_of_their_own(images: Path, tmp_path: Path, settings: Settings) -> None:
    choice = ClassifyChoice("finite-bank", certificate=CertificateChoice("smoothing", n=200))
    task = Task(images, tmp_path / "out.parquet", settings, choice)
    score_in_bulk(task)
    rows = rows_of(task.output)
    assert [row["certificate"] for row in rows] == ["smoothing", None, "smoothing", None, "smoothing"]
    assert all(row["radius"] >= 0 for row in rows[::2])


def test_another_input_model_or_option_refuses_to_go_on(images: Path, tmp_path: Path, settings: Settings) -> None:
    output, choice = tmp_path / "out.parquet", QUICK
    score_in_bulk(Task(images, output, settings, choice))
    colour = settings.model_copy(update={"models": "colour"})
    for other in (Task(images, output, colour, choice), Task(images, output, settings, ClassifyChoice())):
        with pytest.raises(OutputError, match="--overwrite"):
            score_in_bulk(other)
    (images / "5.png").write_bytes(random_png())
    with pytest.raises(OutputError, match="same input"):
        score_in_bulk(Task(images, output, settings, choice))
    assert score_in_bulk(Task(images, output, settings, choice), overwrite=True).images == 6


def test_what_cannot_be_done_ends_the_run_before_it_begins(npz: Path, tmp_path: Path, settings: Settings) -> None:
    colour = settings.model_copy(update={"models": "colour"})
    output = tmp_path / "out.parquet"
    with pytest.raises(InputError, match=r"expected images of the model's shape \(3, 32, 32\), got \(28, 28\)"):
        score_in_bulk(Task(npz, output, colour, ClassifyChoice()))
    with pytest.raises(UnknownModel):
        score_in_bulk(Task(npz, output, settings.model_copy(update={"models": "nope"}), ClassifyChoice()))
    np.savez(npz, images=np.zeros((1, 3, 32, 32)))
    with pytest.raises(Invalid, match="prototype bank"):
        score_in_bulk(Task(npz, output, colour, ClassifyChoice("finite-bank")))


def test_an_input_that_shrinks_meanwhile_is_told(images: Path, tmp_path: Path, settings: Settings) -> None:
    def shrink(done: int, _: int) -> None:
        if done == 0:
            (images / "4.png").unlink()

    task = Task(images, tmp_path / "out.parquet", settings, QUICK)
    with pytest.raises(InputError, match="expected 5 images, got 4: it changed during the run"):
        score_in_bulk(task, progress=shrink)
    assert not task.output.exists()


def test_an_input_of_another_kind_is_refused(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "images.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"expected a folder, an \.npz or a \.parquet file"):
        score_in_bulk(Task(tmp_path / "images.zip", tmp_path / "out.parquet", settings, ClassifyChoice()))
