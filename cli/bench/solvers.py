"""`eabs bench solvers`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.solvers import BUDGETS, compare_solvers
from cli.bench.options import Data, Json, Model, prepared, prepared_run, validation
from cli.console import print_json, progress_bar, stdout
from cli.options import BUNDLED_STORE, Store
from training.datasets import to_unit_range


def solvers(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    run: Annotated[Path | None, typer.Option(help="A training run's folder, instead of a published model.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Validation images.")] = 100,
    as_json: Json = False,
) -> None:
    """Compare ways to minimise the latent objective at equal numbers of gradients."""
    if run is None:
        loaded, inference = prepared(model, store)
        split = validation(loaded, data, images)
    else:
        inference, split = prepared_run(run, data, images)
    with progress_bar() as bar:
        task = bar.add_task("solving", total=len(split), note="")
        found = compare_solvers(inference, to_unit_range(split.images), lambda count: bar.update(task, advance=count))
    if as_json:
        print_json({"budgets": BUDGETS, "solvers": [asdict(result) for result in found]})
        return
    table = Table("solver", *(f"{budget}" for budget in BUDGETS))
    table.title = f"gap of {len(split)} images' l_k by gradients spent: median / 95 %, in squared pixels"
    for result in found:
        gaps = (f"{median:.2f} / {p95:.2f}" for median, p95 in zip(result.median, result.p95, strict=True))
        table.add_row(result.solver, *gaps)
    stdout.print(table)
