"""`eabs bench server`."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import torch
import typer
from rich.table import Table

from benchmarks.server import RunningServer, ServerReport, load
from cli.bench.options import Data, Json, Model, prepared, validation
from cli.console import print_json, stdout
from cli.options import BUNDLED_STORE, Store
from eabs.settings import EFFORTS, Effort
from model_store.images import encode_png
from training.datasets import to_unit_range

_PICTURES = 256
_BATCH = 32


def server(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    clients: Annotated[int, typer.Option(min=1, help="Concurrent clients.")] = 32,
    requests: Annotated[int, typer.Option(min=1, help="Requests in all.")] = 512,
    effort: Annotated[Effort, typer.Option()] = "standard",
    as_json: Json = False,
) -> None:
    """Start a server twice, load the second, and compare its throughput with the bare engine's."""
    loaded, inference = prepared(model, store)
    images = validation(loaded, data, _PICTURES).images
    pictures = [encode_png(image.numpy()) for image in images]
    batches = to_unit_range(images).split(_BATCH)
    rounds = max(1, requests // len(images) // 2)

    def bare() -> None:
        for batch in batches:
            inference.infer(batch, EFFORTS[effort])

    # The first start decodes the candidates and keeps them; the second is what is measured.
    with RunningServer(store=store, model=model) as running:
        running.wait_until_ready()
    with RunningServer(store=store, model=model) as running:
        ready = running.wait_until_ready()
        asyncio.run(load(running.url, pictures, clients=clients, requests=clients, effort=effort))
        # As many images half before and half after the load, so that a shared machine's drift meets both alike.
        engine_seconds = _seconds_of(bare, repeats=rounds)
        result = asyncio.run(load(running.url, pictures, clients=clients, requests=requests, effort=effort))
        memory = running.peak_memory_mb()
    engine_seconds += _seconds_of(bare, repeats=rounds)
    latencies = torch.tensor(result.latencies)
    report = ServerReport(
        ready_s=ready,
        clients=clients,
        images=len(latencies),
        images_per_s=len(latencies) / result.seconds,
        p50_ms=1e3 * latencies.quantile(0.5).item(),
        p99_ms=1e3 * latencies.quantile(0.99).item(),
        peak_memory_mb=memory,
        engine_images_per_s=2 * rounds * len(images) / engine_seconds,
    )
    if as_json:
        print_json({**asdict(report), "share_of_engine": report.share_of_engine})
        return
    table = Table("measure", "value")
    table.add_row("ready after a second start", f"{report.ready_s:.2f} s")
    table.add_row(f"throughput, {clients} clients", f"{report.images_per_s:.1f} images/s")
    table.add_row("bare engine, batch 32", f"{report.engine_images_per_s:.1f} images/s")
    table.add_row("server's share of the engine", f"{report.share_of_engine:.0%}")
    table.add_row("latency p50 / p99", f"{report.p50_ms:.0f} / {report.p99_ms:.0f} ms")
    table.add_row("server's peak memory", f"{report.peak_memory_mb:.0f} MB")
    stdout.print(table)


def _seconds_of(work: Callable[[], object], *, repeats: int) -> float:
    work()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return time.perf_counter() - started
