"""`eabs bench public-abs`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.machine import measure_machine
from benchmarks.public_abs import compare_with_public_abs
from cli.bench.options import Data, Json, Model, prepared, print_machine, validation
from cli.console import fail, print_json, stdout
from cli.options import BUNDLED_STORE, Store
from training.datasets import to_unit_range


def public_abs(
    checkout: Annotated[Path, typer.Option(help="A checkout of bethgelab/AnalysisBySynthesis.")],
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    as_json: Json = False,
) -> None:
    """Compare with the public code of ABS on the same images and cores."""
    loaded, inference = prepared(model, store)
    images = to_unit_range(validation(loaded, data, 50).images)
    try:
        timings = compare_with_public_abs(inference, images, checkout)
    except FileNotFoundError as error:
        fail(str(error), usage=True)
    machine = measure_machine()
    if as_json:
        ours = [{**asdict(timing), "ratio": timing.ratio} for timing in timings]
        print_json({"machine": asdict(machine), "timings": ours})
        return
    print_machine(machine)
    table = Table("batch", "settings", "public ABS, ms an image", "ours", "times as fast")
    for t in timings:
        table.add_row(str(t.batch), t.settings, f"{t.public_ms:.1f}", f"{t.ours_ms:.2f}", f"{t.ratio:.3g}")
    stdout.print(table)
