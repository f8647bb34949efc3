"""`eabs bench certificates`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.certificates import time_certificates
from benchmarks.machine import measure_machine
from cli.bench.options import Data, Json, Model, prepared, print_machine, validation
from cli.console import print_json, stdout
from cli.options import BUNDLED_STORE, Store
from eabs.certificates.smoothing import SmoothingSettings
from training.datasets import to_unit_range


def certificates(
    data: Data,
    model: Model = "mnist",
    store: Store = BUNDLED_STORE,
    images: Annotated[int, typer.Option(min=1, help="Validation images.")] = 8,
    n: Annotated[int, typer.Option(min=1, help="Samples of smoothing.")] = 10_000,
    as_json: Json = False,
) -> None:
    """Time every certificate of a model, and the nearest prototype's answer."""
    loaded, inference = prepared(model, store)
    machine = measure_machine()
    chosen = to_unit_range(validation(loaded, data, images).images)
    bank = loaded.prototypes
    found = time_certificates(inference, bank, chosen, smoothing=SmoothingSettings(n=n))
    size = None if bank is None else {"prototypes": len(bank), "bytes": bank.nbytes}
    if as_json:
        print_json({"machine": asdict(machine), "bank": size, "timings": [asdict(timing) for timing in found]})
        return
    print_machine(machine)
    if bank is not None:
        stdout.print(f"{len(bank)} prototypes, {bank.nbytes / 1e6:.1f} MB", highlight=False)
    table = Table("answer", "ms, one image", f"ms an image, {images} at once")
    for timing in found:
        table.add_row(timing.answer, f"{timing.ms_alone:.2f}", f"{timing.ms_together:.2f}")
    stdout.print(table)
