"""What one of many workers does: ranges of an input's images -> tables, with a model that stays loaded."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]

from service.bulk.errors import BulkError, InputError
from service.bulk.scorer import Question
from service.bulk.session import open_session
from service.bulk.sources import Item, Source
from service.errors import ServiceError

ROW = "row"
"""The column that a worker adds: each image's index in the input."""


class RangeScorer:
    """A worker. It sees the input under the same path, and the store under the same name, as whoever sent it."""

    def __init__(self, source: Source, question: Question, *, rows: int) -> None:
        """Loads the model.

        Args:
            source: the input.
            question: what is asked about each image.
            rows: of each range; the last one may have less.

        Raises:
            BulkError: it cannot be loaded here, or is another.
        """
        self._rows = rows
        self._reader = _Reader(source)
        self._count = source.count
        # Its end is that of the process.
        self._open = ExitStack()
        try:
            self._session = self._open.enter_context(open_session(question))
        except ServiceError as error:
            raise BulkError(str(error)) from error

    def __call__(self, batch: dict[str, Any]) -> Any:
        """The answers about the ranges whose first images are `batch["first"]`: a pyarrow table of the output's schema
        and `ROW`.

        Raises:
            BulkError: the engine cannot work any more.
            InputError: the input is not what it was for the sender.
        """
        return pa.concat_tables([self._range(int(first)) for first in batch["first"]])

    def close(self) -> None:
        """Frees the model."""
        self._open.close()

    def _range(self, first: int) -> Any:
        count = min(self._rows, self._count - first)
        try:
            table = pa.concat_tables(self._session.tables(self._reader.take(first, count)))
        except ServiceError as error:
            raise BulkError(str(error)) from error
        if len(table) != count:
            raise InputError(f"expected images {first} to {first + count - 1}, got {len(table)} of them")
        return table.append_column(ROW, pa.array(range(first, first + count), pa.int64()))


class _Reader:
    """Reads ranges of a source without starting anew at each: most come in rising order."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._items: Generator[Item, None, None] = source.items()
        self._next = 0

    def take(self, first: int, count: int) -> Iterator[Item]:
        if first < self._next:
            self._items.close()
            self._items, self._next = self._source.items(first), first
        skipped = first - self._next
        self._next = first + count
        return islice(self._items, skipped, skipped + count)
