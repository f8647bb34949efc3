"""`eabs bench pressure`."""

from dataclasses import asdict
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from benchmarks.machine import measure_machine
from benchmarks.pressure import Pressure, measure_pressure
from benchmarks.server import RunningServer
from cli.bench.options import Json, Model, print_machine
from cli.console import print_json, stdout
from cli.options import BUNDLED_STORE, Store
from cli.published import load_published
from eabs.settings import Effort


def pressure(
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    clients: Annotated[int, typer.Option(min=1, help="Concurrent clients.")] = 200,
    images: Annotated[int, typer.Option(min=1, help="Images in each request.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long they push.")] = 20.0,
    pause_ms: Annotated[float, typer.Option(min=0, help="A refused client tries again after this time.")] = 100.0,
    effort: Annotated[Effort, typer.Option()] = "fast",
    as_json: Json = False,
) -> None:
    """Push at a server with many clients, and see how soon it answers its probes meanwhile."""
    shape = load_published(model, store).manifest.architecture.image
    asked = Pressure(seconds=seconds, clients=clients, images=images, pause_s=pause_ms / 1000, effort=effort)
    with RunningServer(store=store, model=model) as running:
        running.wait_until_ready()
        report = measure_pressure(running.url, asked, shape=shape)
    answered = {path: _in_ms(latencies) for path, latencies in report.probes.items()}
    answered["/classify, 200"] = _in_ms(report.push.latencies)
    if as_json:
        found = {"statuses": report.push.statuses, "images_per_s": report.images_per_s, "ms": answered}
        print_json({"pressure": asdict(asked), **found})
        return
    print_machine(measure_machine())
    table = Table("answers", "number", "p50 ms", "p99 ms", "longest ms")
    for name, row in answered.items():
        table.add_row(name, f"{row['count']:.0f}", *(f"{row[key]:.1f}" for key in ("p50", "p99", "longest")))
    stdout.print(table)
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(report.push.statuses.items()))
    stdout.print(f"{report.images_per_s:.1f} images/s; {statuses}", highlight=False)


def _in_ms(latencies: list[float]) -> dict[str, float]:
    values = 1e3 * np.asarray(latencies or [np.nan])
    p50, p99, longest = np.quantile(values, (0.5, 0.99, 1.0))
    return {"count": len(latencies), "p50": p50, "p99": p99, "longest": longest}
