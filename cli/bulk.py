"""`eabs classify --input`: many images into one Parquet file, with a progress bar and resume."""

import time
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from cli.console import fail, print_json, progress_bar, stdout
from model_store import ModelStoreError
from service.choices import ClassifyChoice
from service.errors import ServiceError
from service.settings import Settings


def classify_in_bulk(
    source: Path,
    output: Path,
    settings: Settings,
    *,
    choice: ClassifyChoice,
    overwrite: bool,
    on_ray: bool,
    as_json: bool,
) -> None:
    """Scores all images of the input, or what an earlier run has left of them, and prints a summary."""
    try:
        # pyarrow is an extra, and takes its time to import.
        from service.bulk.errors import BulkError  # noqa: PLC0415
        from service.bulk.run import Task, score_in_bulk  # noqa: PLC0415
        from service.bulk.session import score_here  # noqa: PLC0415

        scored = score_here
        if on_ray:
            from service.bulk.on_ray import score_on_ray  # noqa: PLC0415

            scored = score_on_ray
    except ModuleNotFoundError as error:
        option, extra = ("--ray", "ray") if on_ray else ("--input", "bulk")
        fail(f"{option}: expected the extra '{extra}' (pip install 'eabs-server[{extra}]'), got {error}")
    started = time.perf_counter()
    try:
        with progress_bar() as bar:
            work = bar.add_task("classifying", total=None, note="")
            summary = score_in_bulk(
                Task(source, output, settings, choice),
                scored=scored,
                overwrite=overwrite,
                progress=lambda done, total: bar.update(work, completed=done, total=total),
            )
    except (BulkError, ModelStoreError, ServiceError) as error:
        fail(str(error))
    seconds = time.perf_counter() - started
    speed = (summary.images - summary.resumed) / seconds
    if as_json:
        print_json(asdict(summary) | {"seconds": round(seconds, 3), "images_per_second": round(speed, 3)})
        return
    table = Table("images", "of them resumed", "errors", "out of distribution", "accuracy", "images a second")
    table.add_row(
        str(summary.images),
        str(summary.resumed),
        str(summary.errors),
        str(summary.out_of_distribution),
        "-" if summary.accuracy is None else f"{summary.accuracy:.4f}",
        f"{speed:.1f}",
    )
    stdout.print(table)
    stdout.print(str(output), highlight=False, soft_wrap=True)
