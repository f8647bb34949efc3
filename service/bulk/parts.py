"""The answers of a run so far, in files beside its output, so that a killed run goes on where it was."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet as pq

from model_store.disk import replace_file
from service.bulk.errors import OutputError

_MANIFEST, _LOCK, _JOINED = "manifest.json", "lock", "joined.parquet"
_METADATA = b"eabs"
_GROUP_ROWS = 8192
_PART_ROWS = 1024
_PART_S = 30.0


class Parts:
    """The folder `OUTPUT.parts`: a manifest, which says what the run is of, and parts of rows, each named by the index
    of its first row. A part appears whole or not at all. `open_parts` opens it.

    `rows` is how many are there; `done` whether the output itself already is.
    """

    def __init__(self, output: Path, manifest: Mapping[str, Any], schema: Any) -> None:
        self._folder = folder_of(output)
        self._output = output
        self.manifest = manifest
        self._schema = schema.with_metadata({_METADATA: json.dumps(manifest, sort_keys=True).encode()})
        self._kept: list[Path] = []
        self.rows = 0
        self._waiting: list[Any] = []
        self._waiting_since = 0.0
        self.done = False

    def recall(self) -> None:
        """Finds the parts of an earlier run; what does not join on to them is removed."""
        while (part := self._part(self.rows)).exists():
            self._kept.append(part)
            self.rows += pq.read_metadata(part).num_rows
        for stray in set(self._folder.glob("*.parquet")) - set(self._kept):
            stray.unlink()

    def append(self, table: Any) -> None:
        """Adds a table of the next rows. They are on the disk 1024 rows or 30 s later."""
        now = time.monotonic()
        if not self._waiting:
            self._waiting_since = now
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= _PART_ROWS or now - self._waiting_since >= _PART_S:
            self._write()

    def join(self) -> None:
        """Makes the output appear, whole, and removes the parts. It is the same file whatever the parts were."""
        if self._waiting:
            self._write()
        joined = self._folder / _JOINED
        with pq.ParquetWriter(joined, self._schema, compression="zstd") as writer:
            rest = self._schema.empty_table()
            for part in self._kept:
                rest = pa.concat_tables([rest, pq.read_table(part).replace_schema_metadata(self._schema.metadata)])
                while len(rest) >= _GROUP_ROWS:
                    writer.write_table(rest.slice(0, _GROUP_ROWS).combine_chunks())
                    rest = rest.slice(_GROUP_ROWS)
            if len(rest):
                writer.write_table(rest.combine_chunks())
        with joined.open("rb") as stream:
            os.fsync(stream.fileno())
        joined.replace(self._output)
        self.done = True

    def _write(self) -> None:
        table = pa.concat_tables(self._waiting).combine_chunks()
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        part = self._part(self.rows)
        replace_file(part, sink.getvalue().to_pybytes())
        self._kept.append(part)
        self.rows += len(table)
        self._waiting = []

    def _part(self, first: int) -> Path:
        return self._folder / f"{first:012}.parquet"


def folder_of(output: Path) -> Path:
    """Where the parts of an output are."""
    return output.with_name(f"{output.name}.parts")


def manifest_of(output: Path) -> dict[str, Any] | None:
    """The manifest of a finished output; None where the file is none of a run's."""
    try:
        found: dict[str, Any] = json.loads((pq.read_schema(output).metadata or {})[_METADATA])
    except (OSError, KeyError, ValueError):
        return None
    return found


@contextmanager
def open_parts(output: Path, manifest: Mapping[str, Any], schema: Any, *, overwrite: bool) -> Iterator[Parts]:
    """The parts of the run that the manifest describes, new or of an earlier one, for this process alone.

    Args:
        output: the Parquet file that the run is to make.
        manifest: JSON that tells of input, model and options all that answers depend on. Its `drawn` is not compared
            but taken over from the earlier run.
        schema: the output's pyarrow schema.
        overwrite: whether to forget what is there.

    Raises:
        OutputError: another output is there, the parts are of another run, or a run writes them now.
    """
    folder = folder_of(output)
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{output}: another run is writing it") from None
        # Whoever held the lock before may have finished, and removed the folder of this lock.
        if not (folder / _LOCK).exists():
            raise OutputError(f"{output}: another run has just written it")
        parts = _recalled(output, manifest, schema, overwrite=overwrite)
        yield parts
        if parts.done:
            shutil.rmtree(folder)
    finally:
        # Whose run was refused leaves no folder behind that was not there.
        if folder.is_dir() and [entry.name for entry in folder.iterdir()] == [_LOCK]:
            shutil.rmtree(folder)
        os.close(lock)


def _recalled(output: Path, manifest: Mapping[str, Any], schema: Any, *, overwrite: bool) -> Parts:
    folder = folder_of(output)
    file = folder / _MANIFEST
    if overwrite:
        output.unlink(missing_ok=True)
        for left in (file, *folder.glob("*.parquet")):
            left.unlink(missing_ok=True)
    finished = output.exists()
    earlier = manifest_of(output) if finished else _read(file)
    if finished or earlier is not None:
        _check_same(output, earlier, manifest, folder=folder)
    if earlier is not None:
        manifest = {**manifest, "drawn": earlier["drawn"]}
    parts = Parts(output, manifest, schema)
    if finished:
        parts.rows, parts.done = pq.read_metadata(output).num_rows, True
        return parts
    if earlier is None:
        replace_file(file, json.dumps(manifest, indent=2).encode())
    parts.recall()
    return parts


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    return found


def _check_same(output: Path, earlier: Mapping[str, Any] | None, manifest: Mapping[str, Any], *, folder: Path) -> None:
    if earlier is None:
        raise OutputError(f"{output}: expected no such file, or one of the same run, got another; see --overwrite")
    differing = [name for name in manifest if name != "drawn" and earlier.get(name) != manifest[name]]
    if differing:
        what = output if output.exists() else folder
        (name, *_) = differing
        raise OutputError(
            f"{what}: expected a run of the same {name} ({json.dumps(manifest[name])}), got one of "
            f"{json.dumps(earlier.get(name))}; --overwrite starts anew"
        )
