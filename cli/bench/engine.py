"""`eabs bench engine`."""

from dataclasses import asdict

from rich.table import Table

from benchmarks.engine import time_engine
from benchmarks.machine import measure_machine
from cli.bench.options import Data, Json, Model, Store, Threads, prepared, print_machine, validation
from cli.console import print_json, stdout
from model_store import BUNDLED
from training.datasets import to_unit_range

_IMAGES = 128


def engine(
    data: Data, model: Model = "mnist", store: Store = BUNDLED, threads: Threads = 0, as_json: Json = False
) -> None:
    """Time latent inference against the arithmetic floor."""
    loaded, inference = prepared(model, store, threads)
    machine = measure_machine()
    images = to_unit_range(validation(loaded, data, _IMAGES).images)
    report = time_engine(inference, images, gemm_gflops=machine.gemm_gflops)
    if as_json:
        timings = [{**asdict(timing), "ratio": timing.ratio} for timing in report.timings]
        print_json({"machine": asdict(machine), **asdict(report), "timings": timings})
        return
    print_machine(machine)
    stdout.print(f"floor of a step: {report.step_floor_ms:.3f} ms an image; peak memory {report.peak_memory_mb:.0f} MB")
    table = Table("settings", "batch", "ms an image", "images/s", "times the floor of its steps")
    for timing in report.timings:
        per_second = f"{1e3 / timing.ms_per_image:.0f}"
        row = (str(timing.batch), f"{timing.ms_per_image:.2f}", per_second, f"{timing.ratio:.2f}")
        table.add_row(timing.settings, *row)
    for batch, ms in report.search_ms.items():
        table.add_row("start search alone", str(batch), f"{ms:.2f}", "", "")
    stdout.print(table)
