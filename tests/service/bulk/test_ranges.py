from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from model_store import ModelStore
from service.bulk.errors import BulkError, InputError
from service.bulk.ranges import ROW, RangeScorer
from service.bulk.scorer import Question
from service.bulk.session import score_here
from service.bulk.sources import Source, open_source
from service.choices import ClassifyChoice
from service.settings import Settings
from tests.service.pictures import random_pixels, random_png


@pytest.fixture(scope="module")
def question(settings: Settings) -> Question:
    alone = settings.model_copy(update={"models": "mnist"})
    return Question(alone, ModelStore(settings.store).load("mnist").digest, ClassifyChoice("finite-bank"))


@pytest.fixture(scope="module", params=["npz", "folder"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """22 images; one file of the folder is none."""
    root = tmp_path_factory.mktemp("images")
    if request.param == "npz":
        np.savez(root / "x.npz", images=random_pixels(0, (22, 28, 28)))
        return open_source(root / "x.npz")
    for index in range(22):
        (root / f"{index:02}.png").write_bytes(random_png(index) if index else b"text")
    return open_source(root)


@pytest.fixture(scope="module")
def worker(source: Source, question: Question) -> Iterator[RangeScorer]:
    scorer = RangeScorer(source, question, rows=5)
    yield scorer
    scorer.close()


@pytest.fixture(scope="module")
def whole(source: Source, question: Question) -> Any:
    """All rows at once."""
    return pa.concat_tables(score_here(source, question, 0))


@pytest.mark.parametrize("firsts", [[0, 5, 10, 15, 20], [20, 5], [10], [0, 0]])
def test_ranges_in_any_order_have_the_rows_of_the_whole(worker: RangeScorer, whole: Any, firsts: list[int]) -> None:
    table = worker({"first": np.array(firsts)})
    rows = [row for first in firsts for row in range(first, min(first + 5, 22))]
    assert table[ROW].to_pylist() == rows
    assert table.drop_columns([ROW]).equals(whole.take(rows))


def test_a_worker_that_sees_less_of_the_input_says_so(question: Question, tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"{index}.png").write_bytes(random_png(index))
    source = open_source(tmp_path)
    (tmp_path / "2.png").unlink()
    worker = RangeScorer(source, question, rows=5)
    with pytest.raises(InputError, match="expected images 0 to 2, got 2 of them"):
        worker({"first": np.array([0])})
    worker.close()


def test_a_worker_without_the_model_says_so(source: Source, question: Question) -> None:
    missing = replace(question, settings=question.settings.model_copy(update={"models": "nope"}))
    with pytest.raises(BulkError, match="could not be loaded"):
        RangeScorer(source, missing, rows=5)
