"""Scoring on this machine: batch after batch, with all cores or all GPUs at work while the next images are read."""

import asyncio
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

from service.bulk.scorer import Question, Scorer, running_scorer
from service.bulk.sources import Item, Source
from service.bulk.table import Row, table_of

_BATCHES_AHEAD = 4


class Session:
    """A loaded model that answers for streams of images, one stream at a time. `open_session` makes it."""

    def __init__(self, runner: asyncio.Runner, scorer: Scorer, schema: Any) -> None:
        self._runner = runner
        self._scorer = scorer
        self._schema = schema

    def tables(self, items: Iterator[Item]) -> Generator[Any, None, None]:
        """The images' rows in their order, as pyarrow tables of the output's schema; a few batches are in memory.

        Raises:
            InputError: the input is not as announced.
            NotReady, OutOfMemory: the engine cannot work any more.
        """
        pending: deque[asyncio.Task[list[Row]]] = deque()

        async def step() -> list[Row] | None:
            while len(pending) < _BATCHES_AHEAD:
                batch = await asyncio.to_thread(lambda: list(islice(items, self._scorer.batch)))
                if not batch:
                    break
                pending.append(asyncio.create_task(self._scorer.score(batch)))
            return await pending.popleft() if pending else None

        async def give_up() -> None:
            for batch in pending:
                batch.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

        try:
            while (rows := self._runner.run(step())) is not None:
                yield table_of(rows, self._schema)
        finally:
            self._runner.run(give_up())


@contextmanager
def open_session(question: Question) -> Iterator[Session]:
    """Loads the model of the question, and frees it at the end.

    Raises:
        NotReady, BulkError, Invalid: as `running_scorer` does.
    """
    with asyncio.Runner() as runner:
        service = running_scorer(question)
        scorer = runner.run(service.__aenter__())
        try:
            yield Session(runner, scorer, question.schema)
        finally:
            runner.run(service.__aexit__(None, None, None))


def score_here(source: Source, question: Question, start: int) -> Generator[Any, None, None]:
    """Tables of the source's images from the index `start` on, scored in this process.

    Raises:
        InputError, BulkError, ServiceError: as `open_session` and `Session.tables` do.
    """
    # The session ends first: a thread of it may be reading an item.
    with closing(source.items(start)) as items, open_session(question) as session:
        yield from session.tables(items)
