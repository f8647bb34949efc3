"""A whole run: open the input, go on from what is there, score the rest, join the output."""

import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from model_store import LoadedModel, ModelStore
from service.bulk.errors import InputError
from service.bulk.parts import open_parts
from service.bulk.reading import fits
from service.bulk.scorer import Question
from service.bulk.session import score_here
from service.bulk.sources import Source, open_source
from service.bulk.summary import Summary, summarise
from service.bulk.table import schema_of
from service.choices import ClassifyChoice
from service.settings import Settings


@dataclass(frozen=True)
class Task:
    """A run to do: the images of `source`, by the first model of the settings, into the Parquet file `output`."""

    source: Path
    output: Path
    settings: Settings
    choice: ClassifyChoice


Scored = Callable[[Source, Question, int], Generator[Any, None, None]]
"""Answers to the question about a source's images from an index on: pyarrow tables, in the images' order."""

Progress = Callable[[int, int], None]
"""Is told how many of how many images are done."""


def score_in_bulk(
    task: Task, *, scored: Scored = score_here, overwrite: bool = False, progress: Progress = lambda *_: None
) -> Summary:
    """Does the run, or what an earlier one has left of it; blocks.

    Raises:
        InputError: the input is not what it should be.
        OutputError: something else is where the output should be.
        ModelStoreError: there is no such model.
        BulkError, ServiceError: it cannot go on now; the same call goes on from there.
    """
    source = open_source(task.source)
    loaded = _load(task.settings)
    shape = loaded.manifest.architecture.image
    if source.image_shape is not None and not fits(source.image_shape, shape):
        raise InputError(f"{task.source}: expected images of the model's shape {shape}, got {source.image_shape}")
    schema = schema_of(labelled=source.labelled, certified=task.choice.certificate is not None)
    manifest = _manifest(task, source, loaded)
    with open_parts(task.output, manifest, schema, overwrite=overwrite) as parts:
        resumed = parts.rows
        if not parts.done:
            question = _question(task, loaded, labelled=source.labelled, seed=parts.manifest["drawn"]["seed"])
            done = resumed
            progress(done, source.count)
            if done < source.count:
                with closing(scored(source, question, done)) as batches:
                    for rows in batches:
                        parts.append(rows)
                        done += len(rows)
                        progress(done, source.count)
            if done != source.count:
                raise InputError(
                    f"{task.source}: expected {source.count} images, got {done}: it changed during the run"
                )
            parts.join()
    return summarise(task.output, resumed=resumed)


def _load(settings: Settings) -> LoadedModel:
    reference = settings.references[0]
    return ModelStore(settings.store, cache=settings.cache_dir).load(reference.name, reference.version)


def _question(task: Task, loaded: LoadedModel, *, labelled: bool, seed: int | None) -> Question:
    """The task for exactly this version, with the noise of this seed where noise is drawn."""
    choice = task.choice
    if choice.certificate is not None and choice.certificate.seed is None:
        choice = replace(choice, certificate=replace(choice.certificate, seed=seed))
    manifest = loaded.manifest
    settings = task.settings.model_copy(update={"models": f"{manifest.name}@{manifest.version}"})
    return Question(settings, loaded.digest, choice, labelled=labelled)


def _manifest(task: Task, source: Source, loaded: LoadedModel) -> Mapping[str, Any]:
    """All that the answers depend on. Where noise is drawn its seed is, too, by the first run for all."""
    settings, certificate = task.settings, task.choice.certificate
    seed = secrets.randbits(32) if certificate is not None and certificate.method == "smoothing" else None
    return {
        "input": {"kind": type(source).__name__.lower(), "images": source.count, "fingerprint": source.fingerprint},
        "model": {"name": loaded.manifest.name, "version": loaded.manifest.version, "digest": loaded.digest},
        "options": asdict(task.choice) | {name: getattr(settings, name) for name in ("max_pixels", "max_body_bytes")},
        "drawn": {"seed": seed},
    }
