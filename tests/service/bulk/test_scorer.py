import asyncio

import numpy as np
import pytest

from model_store import ModelStore
from service.bulk.errors import BulkError
from service.bulk.scorer import Question, running_scorer
from service.bulk.sources import Item, Unreadable
from service.bulk.table import Row
from service.choices import ClassifyChoice
from service.errors import EngineFailed
from service.jobs import Classify
from service.settings import Settings
from tests.service.pictures import random_png


def question(settings: Settings, digest: str | None = None) -> Question:
    known = ModelStore(settings.store).load("mnist").digest
    return Question(settings.model_copy(update={"models": "mnist"}), digest or known, ClassifyChoice(effort="fast"))


def score(asked: Question, items: list[Item]) -> list[Row]:
    async def run() -> list[Row]:
        async with running_scorer(asked) as scorer:
            return await scorer.score(items)

    return asyncio.run(run())


def test_rows_come_in_the_order_of_the_images(settings: Settings) -> None:
    items = [Item("a", random_png(1)), Item("b", Unreadable("not there")), Item("c", random_png(1)), Item("d", b"")]
    rows = score(question(settings), items)
    assert [row.item.id for row in rows] == ["a", "b", "c", "d"]
    assert [row.error for row in rows] == [None, "not there", None, "image: expected an encoded image, got 0 bytes"]
    assert rows[0].answer is not None
    assert rows[2].answer is not None
    assert rows[0].answer.classes == rows[2].answer.classes


def test_a_batch_of_bad_images_alone_has_errors_alone(settings: Settings) -> None:
    (row,) = score(question(settings), [Item("a", b"text")])
    assert row.answer is None


def test_an_image_that_the_engine_fails_for_harms_no_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Classify.run

    def fail_for_white(self: Classify, classifiers: object, images: object) -> object:
        if (images.mean(dim=(1, 2, 3)) > 0.9).any():  # type: ignore[attr-defined]
            raise RuntimeError("white")
        return answer(self, classifiers, images)  # type: ignore[arg-type]

    monkeypatch.setattr(Classify, "run", fail_for_white)
    white = Item("white", np.full((28, 28), 255, np.uint8))
    rows = score(question(settings), [Item("a", random_png(1)), white, Item("b", random_png(2))])
    assert [row.error is None for row in rows] == [True, False, True]
    assert rows[1].error is not None
    assert EngineFailed.__name__ not in rows[1].error


def test_another_version_than_the_one_asked_for_does_not_answer(settings: Settings) -> None:
    with pytest.raises(BulkError, match="expected the model sha256:0"):
        score(question(settings, "sha256:0"), [])
