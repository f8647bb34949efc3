"""Encoded images in a column of a Parquet file, or the paths of their files."""

import hashlib
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet as pq

from service.bulk.errors import InputError
from service.bulk.sources.source import Item, Source, Unreadable

_ROWS_AT_A_TIME = 64


class Parquet(Source):
    """The column `image`: encoded bytes, HuggingFace's struct of `bytes` and `path`, or a path; else a column `path`.

    Paths are relative to the file's folder. An image's id is its path, or its index where it has none. A column `label`
    of integers tells true classes. The fingerprint is of the file's size, time of change and layout.
    """

    def __init__(self, path: Path) -> None:
        """Raises:
        InputError: the file is no Parquet, has no such column, or no rows.
        """
        self._path = path
        with self._reporting(), pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            layout = [str(schema), *(metadata.row_group(index).num_rows for index in range(metadata.num_row_groups))]
            self.count = metadata.num_rows
            status = path.stat()
        names = set(schema.names)
        column = next((name for name in ("image", "path") if name in names and _holds_images(schema, name)), None)
        if column is None:
            found = ", ".join(f"{field.name} ({field.type})" for field in schema)
            raise InputError(
                f"{path}: expected a column 'image' of bytes, paths or structs of 'bytes' and 'path', or 'path' of "
                f"paths, got {found or 'no columns'}"
            )
        if not self.count:
            raise InputError(f"{path}: expected at least one row, got none")
        self._column = column
        self.labelled = "label" in names and pa.types.is_integer(schema.field("label").type)
        facts = json.dumps([status.st_size, status.st_mtime_ns, layout])
        self.fingerprint = f"sha256:{hashlib.sha256(facts.encode()).hexdigest()}"

    def items(self, start: int = 0) -> Generator[Item, None, None]:
        columns = [self._column, *(["label"] if self.labelled else [])]
        with self._reporting(), pq.ParquetFile(self._path, buffer_size=1 << 20) as file:
            index = 0
            for group in range(file.num_row_groups):
                after = index + file.metadata.row_group(group).num_rows
                if after <= start:
                    index = after
                    continue
                rows = file.iter_batches(_ROWS_AT_A_TIME, row_groups=[group], columns=columns, use_threads=False)
                for row in (row for batch in rows for row in batch.to_pylist()):
                    if index >= start:
                        yield self._item(index, row[self._column], row.get("label"))
                    index += 1

    def _item(self, index: int, value: Any, target: int | None) -> Item:
        if isinstance(value, dict):
            data, name = value.get("bytes"), value.get("path")
        else:
            data, name = (None, value) if isinstance(value, str) else (value, None)
        if data is not None:
            return Item(name or str(index), data, target)
        if name:
            return Item(name, self._path.parent / name, target)
        return Item(str(index), Unreadable(f"{self._column}: expected an image, got null"), target)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self._path}: expected a readable Parquet file, got {error}") from error


def _holds_images(schema: Any, name: str) -> bool:
    kind = schema.field(name).type
    if pa.types.is_struct(kind):
        fields = {kind.field(index).name: kind.field(index).type for index in range(kind.num_fields)}
        return "bytes" in fields and _is_bytes(fields["bytes"]) and _is_text(fields.get("path", pa.string()))
    return _is_text(kind) or (name == "image" and _is_bytes(kind))


def _is_bytes(kind: Any) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
