"""`eabs bench load`."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import torch
import typer
from rich.table import Table

from benchmarks.load import LoadLevel, RequestForm, drive, knee
from benchmarks.machine import measure_machine
from benchmarks.request_forms import BATCH, request_forms
from benchmarks.server import RunningServer
from cli.bench.options import Data, Json, Model, prepared, print_machine, validation
from cli.console import fail, print_json, progress_bar, stdout
from cli.options import BUNDLED_STORE, Store
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, Effort
from training.datasets import to_unit_range

_PICTURES = 4096
_BATCH = 32
_TIMED = 256
_SHARES = (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2)
_FORMS_SHARE = 0.5
_WARM_UP_S = 2.0


def load(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    url: Annotated[
        str | None,
        typer.Option(help="A running server on this machine, without a cache, instead of one that is started here."),
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="EABS_CLIENT_KEY", help="With --url: the API key.")] = None,
    rates: Annotated[
        str | None,
        typer.Option(help="Images/s, separated by commas [default: from a quarter of the engine's rate to 1.2 times]."),
    ] = None,
    forms_rate: Annotated[
        float | None,
        typer.Option(min=0.01, help="Images/s at which forms of requests are compared [default: half the engine's]."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long images arrive, at each rate.")] = 20.0,
    effort: Annotated[Effort, typer.Option()] = "standard",
    as_json: Json = False,
) -> None:
    """Let images arrive at a server at random, at given rates, and find the rate that it keeps up with."""
    asked = None if rates is None else _rates(rates)
    if url is not None and not url.startswith("http://"):
        fail(f"--url: expected http://host:port, got {url}", usage=True)
    loaded, inference = prepared(model, store)
    images = validation(loaded, data, _PICTURES).images
    if len(images) < BATCH:
        fail(f"--data: expected at least {BATCH} validation images, got {len(images)}", usage=True)
    forms = request_forms(images.numpy(), model=model.partition("@")[0], effort=effort, api_key=api_key)
    engine = [_engine_rate(inference, images[:_TIMED], effort)]
    levels = asked or [share * engine[0] for share in _SHARES]
    plan = [(forms[0], rate) for rate in levels] + [(form, forms_rate or _FORMS_SHARE * engine[0]) for form in forms]
    with _server(url, store, model) as where:
        found = _drive_all(where, plan, seconds)
    # Half before and half after, so that a shared machine's drift meets the engine as it meets the server.
    engine.append(_engine_rate(inference, images[:_TIMED], effort))
    engine_rate = sum(engine) / len(engine)
    by_rate, by_form = found[: len(levels)], found[len(levels) :]
    best, bend = max(by_rate, key=lambda level: level.achieved), knee(by_rate)
    machine = measure_machine()
    if as_json:
        report = {
            "machine": asdict(machine),
            "effort": effort,
            "seconds": seconds,
            "engine_images_per_s": engine_rate,
            "share_of_engine": best.achieved / engine_rate,
            "knee": None if bend is None else asdict(bend),
            "rates": [asdict(level) for level in by_rate],
            "forms": [asdict(level) for level in by_form],
        }
        print_json(report)
        return
    print_machine(machine)
    _print("single PNGs", by_rate)
    kept = "none of these rates" if bend is None else f"{bend.offered:.1f} images/s"
    stdout.print(f"The server keeps up with {kept}, and answers {best.achieved:.1f} images/s at most.", highlight=False)
    cost_ms = 1e3 / best.achieved - 1e3 / engine_rate if best.achieved else math.inf
    stdout.print(
        f"The bare engine, batch {_BATCH}: {engine_rate:.1f} images/s. The server's share of it is "
        f"{best.achieved / engine_rate:.0%}: an image costs {cost_ms:.2f} ms beside inference.",
        highlight=False,
    )
    _print("forms of requests", by_form)


@contextmanager
def _server(url: str | None, store: str, model: str) -> Iterator[str]:
    """The address of the server that is measured."""
    if url is not None:
        yield url
        return
    with RunningServer(store=store, model=model) as running:
        running.wait_until_ready()
        yield running.url


def _drive_all(url: str, plan: Sequence[tuple[RequestForm, float]], seconds: float) -> list[LoadLevel]:
    form, rate = plan[0]
    drive(url, form, rate=rate, seconds=min(seconds, _WARM_UP_S))
    found = []
    with progress_bar() as bar:
        task = bar.add_task("loading", total=len(plan), note="")
        for seed, (form, rate) in enumerate(plan):
            bar.update(task, note=f"{form.name}, {rate:.1f} images/s")
            found.append(drive(url, form, rate=rate, seconds=seconds, seed=seed))
            bar.advance(task)
    return found


def _engine_rate(inference: LatentInference, images: torch.Tensor, effort: Effort) -> float:
    batches = to_unit_range(images).split(_BATCH)
    inference.infer(batches[0], EFFORTS[effort])
    started = time.perf_counter()
    for batch in batches:
        inference.infer(batch, EFFORTS[effort])
    return len(images) / (time.perf_counter() - started)


def _rates(text: str) -> list[float]:
    try:
        rates = [float(part) for part in text.split(",")]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < math.inf for rate in rates):
        fail(f"--rates: expected images/s such as 20,40,80, got {text}", usage=True)
    return rates


def _print(title: str, levels: Sequence[LoadLevel]) -> None:
    table = Table("requests", "offered", "achieved", "p50", "p95", "p99", "longest", "429", "errors")
    table.title = f"{title}: images/s, latency in ms"
    for level in levels:
        latencies = (level.p50_ms, level.p95_ms, level.p99_ms, level.max_ms)
        table.add_row(
            level.form,
            f"{level.offered:.1f}",
            f"{level.achieved:.1f}",
            *("-" if latency is None else f"{latency:.0f}" for latency in latencies),
            f"{level.rejected:.1%}",
            f"{level.errors:.1%}",
        )
    stdout.print(table)
