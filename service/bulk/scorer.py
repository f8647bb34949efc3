"""A batch of an input's images -> their rows: what a run does many times, on one machine or on many."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from service import use_cases
from service.bulk.errors import BulkError
from service.bulk.reading import read_item
from service.bulk.sources import Item
from service.bulk.table import Row, schema_of
from service.choices import ClassifyChoice
from service.errors import EngineFailed, ServiceError
from service.images.served_image import ServedImage
from service.local import local_service
from service.models.served_model import ServedModel
from service.runtime import Runtime
from service.schemas import ImageClassification
from service.settings import Settings


@dataclass(frozen=True)
class Question:
    """What is asked about every image: of the first model of the settings, which is the version `digest`. `labelled`
    says whether the input tells true classes."""

    settings: Settings
    digest: str
    choice: ClassifyChoice
    labelled: bool = False

    @property
    def schema(self) -> Any:
        """Of the answers' tables."""
        return schema_of(labelled=self.labelled, certified=self.choice.certificate is not None)


class Scorer:
    """Answers for batches of images. Belongs to one event loop."""

    def __init__(self, runtime: Runtime, model: ServedModel, choice: ClassifyChoice) -> None:
        self._runtime = runtime
        self._model = model
        self._choice = choice

    @property
    def batch(self) -> int:
        """How many images keep every place of the engine busy once."""
        return self._runtime.places * self._runtime.batch_size

    async def score(self, items: Sequence[Item]) -> list[Row]:
        """The rows of the images, in their order. What is wrong with one image is in its row.

        Raises:
            NotReady, OutOfMemory: the engine cannot work any more.
        """
        read = await asyncio.gather(*map(self._read, items))
        images = [image for image in read if isinstance(image, ServedImage)]
        answers = iter(await self._classify(images))
        outcomes = [image if isinstance(image, str) else next(answers) for image in read]
        return [
            Row(item, error=outcome) if isinstance(outcome, str) else Row(item, outcome)
            for item, outcome in zip(items, outcomes, strict=True)
        ]

    async def _read(self, item: Item) -> ServedImage | str:
        work = partial(read_item, item, shape=self._model.shape, settings=self._runtime.settings)
        try:
            return await self._runtime.aside(work)
        except ServiceError as error:
            return error.detail

    async def _classify(self, images: Sequence[ServedImage]) -> Sequence[ImageClassification | str]:
        if not images:
            return []

        async def read() -> Sequence[ServedImage]:
            return images

        try:
            return (await use_cases.classify(self._runtime, self._model, read, choice=self._choice)).results
        except EngineFailed as error:
            if len(images) == 1:
                return [error.detail]
        # The engine failed for one of them, and answers the others.
        alone = await asyncio.gather(*(self._classify([image]) for image in images))
        return [answer for answers in alone for answer in answers]


@asynccontextmanager
async def running_scorer(question: Question) -> AsyncIterator[Scorer]:
    """Loads the model of the question, and frees it at the end.

    Raises:
        NotReady: it could not be loaded; the log has the cause.
        BulkError: it is not the version that the question is for.
        Invalid: it cannot give what is asked for.
    """
    # Each image comes once, so nothing is kept; the model stays the same, whatever happens in the store.
    alone = {"cache_bytes": 0, "redis_url": None, "poll_s": 0.0}
    async with local_service(question.settings.model_copy(update=alone)) as service:
        model = service.runtime.model(None, None)
        if model.digest != question.digest:
            raise BulkError(f"expected the model {question.digest}, got {model.name} {model.version}, {model.digest}")
        choice = question.choice
        choice.job(model)
        if choice.certificate is not None:
            choice.certificate.job(model)
        yield Scorer(service.runtime, model, choice)
