"""`eabs bench starts`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.starts import compare_starts
from cli.bench.options import Data, Json, Model, validation
from cli.console import print_json, stdout
from cli.options import BUNDLED_STORE, Store
from cli.published import load_published
from eabs.cores import physical_cores
from training.datasets import to_unit_range


def starts(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    images: Annotated[int, typer.Option(min=1, help="Validation images.")] = 200,
    as_json: Json = False,
) -> None:
    """Compare the start search with fewer principal components to that with whole images."""
    loaded = load_published(model, store)
    manifest = loaded.manifest
    found = compare_starts(
        loaded.model,
        to_unit_range(validation(loaded, data, images).images),
        beta=manifest.beta,
        seed=manifest.seed,
        candidates=manifest.candidates,
        counts=(16, 32, 64, 128),
        threads=physical_cores(),
    )
    if as_json:
        print_json([asdict(result) for result in found])
        return
    table = Table("components", "same start", "score lost", "ms, one at a time", "ms an image, batch 32", "MB")
    for r in found:
        costs = (f"{r.alone_ms:.2f}", f"{r.batch_ms:.2f}", f"{r.megabytes:.0f}")
        table.add_row(str(r.components), f"{r.same:.0%}", f"{r.loss:.2f}", *costs)
    stdout.print(table)
