"""`eabs bench classes`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.classes import time_classes
from cli.bench.options import Json
from cli.console import print_json, stdout
from eabs.architecture import PRESETS
from eabs.cores import physical_cores


def classes(
    counts: Annotated[str, typer.Option(help="Numbers of classes, comma-separated.")] = "10,43,100,200",
    preset: Annotated[str, typer.Option(help="Whose decoders.")] = "mnist",
    candidates: Annotated[int, typer.Option(min=1, help="Candidates a class.")] = 8000,
    as_json: Json = False,
) -> None:
    """Time inference against the number of classes, with random decoders."""
    numbers = tuple(int(part) for part in counts.split(","))
    timings = time_classes(PRESETS[preset], numbers, candidates=candidates, threads=physical_cores())
    if as_json:
        print_json([asdict(timing) for timing in timings])
        return
    table = Table("effort", "classes", "ms, one at a time", "ms an image, batch 32", "classes optimised to the end")
    for t in timings:
        table.add_row(t.effort, str(t.classes), f"{t.alone_ms:.1f}", f"{t.batch_ms:.1f}", f"{t.finished:.1f}")
    stdout.print(table)
