"""Scoring on the machines of a Ray cluster, by Ray Data; on this machine alone where there is none."""

import logging
import os
from collections.abc import Generator
from dataclasses import replace
from typing import Any

# Ray reports its use to its makers unless told otherwise.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray  # type: ignore[import-not-found]
from ray.data import ActorPoolStrategy, DataContext  # type: ignore[import-not-found]
from ray.exceptions import RayError  # type: ignore[import-not-found]

from service.bulk.errors import BulkError
from service.bulk.ranges import ROW, RangeScorer
from service.bulk.scorer import Question
from service.bulk.sources import Source

_RANGE_ROWS = 256


def score_on_ray(source: Source, question: Question, start: int) -> Generator[Any, None, None]:
    """Tables of the source's images from the index `start` on, in their order, scored by the cluster that RAY_ADDRESS
    names: one worker for each GPU, or for each CPU, or for as many of them as the setting `threads` says.

    Raises:
        BulkError: the cluster cannot be reached, or a worker failed.
    """
    try:
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield from _tables(source, question, start)
    except (RayError, ConnectionError) as error:
        # Of a worker's traceback the last line says what happened.
        raise BulkError(f"Ray: {str(error).strip().splitlines()[-1]}") from error


def _tables(source: Source, question: Question, start: int) -> Generator[Any, None, None]:
    context = DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    question, resources, workers = _share(question)
    firsts = range(start, source.count, _RANGE_ROWS)
    scored = ray.data.from_items([{"first": first} for first in firsts], override_num_blocks=len(firsts)).map_batches(
        RangeScorer,
        fn_constructor_args=(source, question),
        fn_constructor_kwargs={"rows": _RANGE_ROWS},
        batch_size=1,
        compute=ActorPoolStrategy(size=min(workers, len(firsts))),
        **resources,
    )
    done = start
    for table in scored.iter_batches(batch_size=None, batch_format="pyarrow"):
        rows = table[ROW].to_pylist()
        if rows != list(range(done, done + len(rows))):
            raise BulkError(f"Ray: expected images from {done} on, got others, from {rows[0]} on")
        done += len(rows)
        yield table.select(question.schema.names).cast(question.schema)


def _share(question: Question) -> tuple[Question, dict[str, int], int]:
    """The question as one worker gets it, what that worker takes of a machine, and how many such there are."""
    settings, has = question.settings, ray.cluster_resources()
    if settings.device != "cpu" and has.get("GPU", 0) >= 1:
        # Ray shows a worker no GPU but its own.
        alone = settings.model_copy(update={"device": "cuda"})
        return replace(question, settings=alone), {"num_gpus": 1}, int(has["GPU"])
    threads = settings.threads or 1
    alone = settings.model_copy(update={"device": "cpu", "threads": threads})
    return replace(question, settings=alone), {"num_cpus": threads}, max(1, int(has.get("CPU", 1)) // threads)
