"""`eabs bench optimality`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.machine import measure_machine
from benchmarks.optimality import Gap, measure_optimality, ways_to_infer
from cli.bench.options import Data, Json, Model, prepared, print_machine, validation
from cli.console import print_json, progress_bar, stdout
from cli.options import BUNDLED_STORE, Store


def optimality(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    images: Annotated[int, typer.Option(min=1, help="Validation images.")] = 500,
    noise: Annotated[float, typer.Option(min=0, help="Standard deviation of noise added to the images.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Compare each way to infer with a long multi-start run: gap, changed predictions, time."""
    loaded, inference = prepared(model, store)
    split = validation(loaded, data, images)
    ways = ways_to_infer()
    with progress_bar() as bar:
        task = bar.add_task("inferring", total=len(split) * (len(ways) + 1), note="")
        found = measure_optimality(
            inference, split, ways, noise=noise, advance=lambda count: bar.update(task, advance=count)
        )
    machine = measure_machine()
    if as_json:
        print_json({"machine": asdict(machine), "noise": noise, "ways": [asdict(way) for way in found]})
        return
    print_machine(machine)
    table = Table("settings", "all l_k", "optimised l_k", "own l_y", "given up", "differs", "accuracy", "ms an image")
    table.caption = "gaps: median / 95 % / worst, in squared pixels"
    for m in found:
        gaps = (_gap(gap) for gap in (m.every, m.optimised, m.own))
        shares = (f"{m.given_up:.0%}", f"{m.disagreement:.1%}", f"{m.accuracy:.1%}")
        table.add_row(m.name, *gaps, *shares, f"{m.ms_per_image:.2f}")
    stdout.print(table)


def _gap(gap: Gap) -> str:
    return f"{gap.median:.2f} / {gap.p95:.2f} / {gap.worst:.1f}"
