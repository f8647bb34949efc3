"""`eabs bench engine`."""

from dataclasses import asdict
from typing import Annotated

import torch
import typer
from rich.table import Table

from benchmarks.engine import time_engine
from benchmarks.machine import busy_neighbours, measure_machine
from cli.bench.options import Data, Json, Model, Threads, prepared, print_machine, validation
from cli.console import print_json, stdout
from cli.options import BUNDLED_STORE, Store
from training.datasets import to_unit_range


def engine(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    threads: Threads = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    batches: Annotated[str, typer.Option(help="Images at once, comma-separated.")] = "1,4,32,50,128",
    neighbours: Annotated[int, typer.Option(min=0, help="Processes that keep a core busy meanwhile.")] = 0,
    as_json: Json = False,
) -> None:
    """Time latent inference against the floor of the machine's arithmetic and memory."""
    sizes = tuple(int(part) for part in batches.split(","))
    loaded, inference = prepared(model, store, threads, device=device)
    machine = measure_machine(torch.device(device))
    images = to_unit_range(validation(loaded, data, max(sizes)).images)
    with busy_neighbours(neighbours):
        report = time_engine(inference, images, machine=machine, batches=sizes)
    if as_json:
        timings = [{**asdict(timing), "ratio": timing.ratio} for timing in report.timings]
        print_json({"machine": asdict(machine), **asdict(report), "timings": timings})
        return
    print_machine(machine)
    stdout.print(
        f"floor of a step: {report.step_gemm_ms:.4g} ms an image by arithmetic, {report.step_copy_ms:.4g} by memory; "
        f"peak memory {report.peak_memory_mb:.0f} MB"
    )
    table = Table("settings", "batch", "ms an image", "images/s", "times the floor of its steps")
    for timing in report.timings:
        per_second = f"{1e3 / timing.ms_per_image:.0f}"
        row = (str(timing.batch), f"{timing.ms_per_image:.2f}", per_second, f"{timing.ratio:.2f}")
        table.add_row(timing.settings, *row)
    for batch, ms in report.search_ms.items():
        table.add_row("start search alone", str(batch), f"{ms:.2f}", "", "")
    stdout.print(table)
