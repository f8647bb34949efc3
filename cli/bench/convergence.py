"""`eabs bench convergence`."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.convergence import LADDER, THRESHOLDS, Rung, measure_convergence
from benchmarks.machine import measure_machine
from cli.bench.convergence_figure import draw_convergence
from cli.bench.options import Data, Json, Model, prepared, print_machine, validation
from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import identity
from cli.options import BUNDLED_STORE, Store
from training.datasets import to_unit_range


def convergence(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    images: Annotated[int, typer.Option(min=1, help="Validation images.")] = 500,
    ladder: Annotated[
        str, typer.Option(help="What to compare: <steps>x<starts>, with commas between. The dearest is the measure.")
    ] = ",".join(map(str, LADDER)),
    figure: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw the curve, as a PNG.")] = None,
    as_json: Json = False,
) -> None:
    """Certify by exact inference with more and more steps and starts, until the radii no longer change."""
    try:
        rungs = [Rung.parse(text) for text in ladder.split(",")]
    except ValueError as error:
        fail(f"ladder: {error}", usage=True)
    if figure and not figure.parent.is_dir():
        fail(f"{figure.parent}: no such folder", usage=True)
    loaded, inference = prepared(model, store)
    split = validation(loaded, data, images)
    with progress_bar() as bar:
        task = bar.add_task("certifying", total=len(split) * len(rungs), note="")
        found = measure_convergence(inference, to_unit_range(split.images), rungs, advance=partial(bar.advance, task))
    if figure:
        draw_convergence(found, figure)
    machine = measure_machine()
    if as_json:
        measured = {"model": identity(loaded), "images": len(split), "rungs": [asdict(rung) for rung in found]}
        print_json({"machine": asdict(machine), **measured})
        return
    print_machine(machine)
    radii = Table("steps x starts", "mean radius", "median", "zero", "ms an image")
    radii.caption = f"{len(split)} validation images; *: what is served"
    differences = Table(
        "steps x starts", "mean", "95 %", "largest", *(f"> {limit:g}" for limit in THRESHOLDS), "other class"
    )
    differences.caption = "how far the radii are from the last row's"
    for m in found:
        work = f"{m.steps} x {m.starts}{' *' if m.is_the_certificates else ''}"
        radii.add_row(
            work, f"{m.mean_radius:.4f}", f"{m.median_radius:.4f}", f"{m.uncertified:.1%}", f"{m.ms_per_image:.0f}"
        )
        sizes = (f"{size:.4f}" for size in (m.mean_difference, m.p95_difference, m.largest_difference))
        differences.add_row(work, *sizes, *(f"{share:.1%}" for share in (*m.beyond.values(), m.changed)))
    stdout.print(radii)
    stdout.print(differences)
