"""`eabs bench layouts`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.decoder_layouts import time_layouts
from benchmarks.machine import measure_machine
from cli.bench.options import Json, print_machine
from cli.console import print_json, stdout
from eabs.architecture import PRESETS


def layouts(
    preset: Annotated[str, typer.Option(help="Whose decoders.")] = "mnist",
    batch: Annotated[int, typer.Option(min=1)] = 32,
    as_json: Json = False,
) -> None:
    """Time ways to compute all decoders at once."""
    timings = time_layouts(PRESETS[preset], batch)
    machine = measure_machine()
    if as_json:
        print_json({"machine": asdict(machine), "timings": [asdict(timing) for timing in timings]})
        return
    print_machine(machine)
    table = Table("layout", "forward, ms an image", "backward", "both", title=f"{preset}, batch {batch}")
    for timing in timings:
        both = timing.forward_ms + timing.backward_ms
        table.add_row(timing.layout, f"{timing.forward_ms:.3f}", f"{timing.backward_ms:.3f}", f"{both:.3f}")
    stdout.print(table)
