"""`eabs bench adversarial`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from benchmarks.adversarial import time_updates
from benchmarks.machine import measure_machine
from cli.bench.options import Json, print_machine
from cli.console import print_json, stdout
from eabs.architecture import PRESETS
from training.discriminative.recipe import ADVERSARIAL

_STEPS = (1, 3, 7, 10, 40)


def adversarial(
    preset: Annotated[str, typer.Option(help="Whose network.")] = "mnist",
    batch: Annotated[int, typer.Option(min=2)] = 128,
    as_json: Json = False,
) -> None:
    """Time updates of adversarial training by the steps of its attack, on one core."""
    found = {kind: time_updates(PRESETS[preset], norm, steps=_STEPS, batch=batch) for kind, norm in ADVERSARIAL.items()}
    machine = measure_machine()
    if as_json:
        updates = {kind: [asdict(cost) for cost in costs] for kind, costs in found.items()}
        print_json({"machine": asdict(machine), "updates": updates})
        return
    print_machine(machine)
    table = Table("model", "steps", "ms an update", "plain updates", title=f"{preset}, batch {batch}")
    for kind, costs in found.items():
        for cost in costs:
            table.add_row(kind, str(cost.attack_steps), f"{cost.ms:.0f}", f"{cost.passes:.1f}")
    stdout.print(table)
