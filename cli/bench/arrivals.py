"""`eabs bench arrivals`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.arrivals import compare_arrivals
from cli.bench.options import Data, Json, Model, prepared, validation
from cli.console import print_json, stdout
from cli.options import BUNDLED_STORE, Store
from eabs.cores import physical_cores
from eabs.settings import EFFORTS, Effort
from training.datasets import to_unit_range

_IMAGES = 128


def arrivals(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    effort: Annotated[Effort, typer.Option()] = "standard",
    seconds: Annotated[float, typer.Option(min=1, help="How long images arrive, for each way and load.")] = 20.0,
    as_json: Json = False,
) -> None:
    """Compare ways to batch images that arrive at random, at 30, 60 and 90 % of capacity."""
    loaded, _ = prepared(model, store)
    images = to_unit_range(validation(loaded, data, _IMAGES).images)
    found = compare_arrivals(
        lambda threads: prepared(model, store, threads)[1],
        images,
        EFFORTS[effort],
        threads=physical_cores(),
        seconds=seconds,
    )
    if as_json:
        print_json([asdict(result) for result in found])
        return
    table = Table("load", "way", "p50, ms", "p99, ms", "images/s", title=f"Poisson arrivals, {effort}")
    for result in found:
        figures = (f"{result.p50_ms:.1f}", f"{result.p99_ms:.1f}", f"{result.images_per_s:.1f}")
        table.add_row(f"{result.load:.0%}", result.way, *figures)
    stdout.print(table)
