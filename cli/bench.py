"""`eabs bench`: speed and memory, on this machine, now."""

import asyncio
import io
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image
from rich.table import Table

from benchmarks.decoder_layouts import time_layouts
from benchmarks.efforts import candidates_for_efforts, measure_efforts
from benchmarks.engine import time_engine
from benchmarks.machine import measure_machine
from benchmarks.server import RunningServer, ServerReport, load
from cli.console import print_json, progress_bar, stdout
from cli.published import load_data, load_published, validation_split
from eabs.architecture import PRESETS
from eabs.inference import EFFORTS, Effort, LatentInference
from model_store import BUNDLED, LoadedModel, default_cache, prepare_inference
from training.datasets import Split

app = typer.Typer(help="Measure speed and memory on this machine.", no_args_is_help=True)

Model = Annotated[str, typer.Option(help="name, name@version or name@alias.")]
Store = Annotated[Path, typer.Option(envvar="EABS_STORE", help="The store's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
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
    table = Table("layout", "forward, ms an image", "backward", "both", title=f"{preset}, batch {batch}")
    for timing in timings:
        both = timing.forward_ms + timing.backward_ms
        table.add_row(timing.layout, f"{timing.forward_ms:.3f}", f"{timing.backward_ms:.3f}", f"{both:.3f}")
    stdout.print(table)


@app.command()
def engine(model: Model = "mnist", store: Store = BUNDLED, as_json: Json = False) -> None:
    """Time latent inference against the arithmetic floor."""
    _, inference = _prepared(model, store)
    machine = measure_machine()
    report = time_engine(inference, gemm_gflops=machine.gemm_gflops)
    if as_json:
        print_json({"machine": asdict(machine), **asdict(report)})
        return
    stdout.print(f"{machine.processor}, {machine.threads} threads, GEMM {machine.gemm_gflops:.0f} GFLOP/s")
    stdout.print(f"floor of 50 steps: {report.floor_ms:.1f} ms an image; peak memory {report.peak_memory_mb:.0f} MB")
    table = Table("settings", "batch", "ms an image", "times the floor of 50 steps")
    for timing in report.timings:
        table.add_row(timing.settings, str(timing.batch), f"{timing.ms_per_image:.1f}", f"{timing.ratio:.2f}")
    for batch, ms in report.search_ms.items():
        table.add_row("start search alone", str(batch), f"{ms:.1f}", f"{ms / report.floor_ms:.2f}")
    stdout.print(table)


@app.command()
def efforts(
    data: Annotated[Path, typer.Option(help="Folder with the official files that the model was trained on.")],
    model: Model = "mnist",
    store: Store = BUNDLED,
    images: Annotated[int, typer.Option(min=1, help="Validation images.")] = 500,
    as_json: Json = False,
) -> None:
    """Compare inference settings on validation images: accuracy, gap to a long run, time."""
    loaded, inference = _prepared(model, store)
    split = _validation(loaded, data, images)
    ways = candidates_for_efforts()
    with progress_bar() as bar:
        task = bar.add_task("inferring", total=len(split) * (len(ways) + 1), note="")
        found = measure_efforts(inference, split, ways, lambda count: bar.update(task, advance=count))
    if as_json:
        print_json([asdict(measurement) for measurement in found])
        return
    table = Table("settings", "accuracy", "mean own score", "median gap", "95 % gap", "ms an image")
    for m in found:
        table.add_row(
            m.name,
            f"{m.accuracy:.2%}",
            f"{m.own_score:.2f}",
            f"{m.median_gap:.3f}",
            f"{m.p95_gap:.2f}",
            f"{m.ms_per_image:.1f}",
        )
    stdout.print(table)


@app.command()
def server(
    model: Model = "mnist",
    store: Store = BUNDLED,
    clients: Annotated[int, typer.Option(min=1, help="Concurrent clients.")] = 32,
    requests: Annotated[int, typer.Option(min=1, help="Requests in all.")] = 512,
    effort: Annotated[Effort, typer.Option()] = "standard",
    as_json: Json = False,
) -> None:
    """Start a server twice, load the second, and compare its throughput with the bare engine's."""
    _, inference = _prepared(model, store)
    pictures = _pictures(inference, 64)
    batch = torch.rand(32, *inference.architecture.image)
    rounds = max(1, requests // len(batch) // 2)

    def bare() -> object:
        return inference.infer(batch, EFFORTS[effort])

    # The first start decodes the candidates and keeps them; the second is what is measured.
    with RunningServer(store=store, model=model, port=_free_port()) as running:
        running.wait_until_ready()
    with RunningServer(store=store, model=model, port=_free_port()) as running:
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
        engine_images_per_s=2 * rounds * len(batch) / engine_seconds,
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


def _prepared(model: str, store: Path) -> tuple[LoadedModel, LatentInference]:
    loaded = load_published(model, store)
    return loaded, prepare_inference(loaded, cache=default_cache())


def _validation(loaded: LoadedModel, data: Path, images: int) -> Split:
    split = validation_split(loaded, load_data(loaded, data))
    return Split(split.images[:images], split.labels[:images])


def _pictures(inference: LatentInference, count: int) -> list[bytes]:
    """PNGs of the model's own candidates, different ones, so that no two requests can share an answer."""
    pictures = []
    for index in range(count):
        pixels = (255 * inference.bank.images[index % inference.architecture.classes, index]).byte()
        buffer = io.BytesIO()
        array = pixels.view(inference.architecture.image).permute(1, 2, 0).squeeze(2).cpu().numpy()
        Image.fromarray(array).save(buffer, format="PNG")
        pictures.append(buffer.getvalue())
    return pictures


def _seconds_of(work: Callable[[], object], *, repeats: int) -> float:
    work()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    return time.perf_counter() - started


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
