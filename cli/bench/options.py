"""What the benchmarks' commands have in common: options, and the model and images that they measure."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.machine import Machine
from cli.console import fail, stdout
from cli.published import load_data, load_published, validation_split
from eabs.cores import physical_cores
from eabs.inference import LatentInference
from model_store import LoadedModel, default_cache, prepare_inference
from training.datasets import DatasetError, Split
from training.generative_run import GenerativeRun
from training.run_folder import RunError

Model = Annotated[str, typer.Option(help="name, name@version or name@alias.")]
Data = Annotated[Path, typer.Option(help="The data that the model was trained on: a folder or a prepared file.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 is one a physical core.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def prepared(model: str, store: str, threads: int = 0, *, device: str = "cpu") -> tuple[LoadedModel, LatentInference]:
    """A published model, ready to infer on so many threads of the CPU, or on a GPU."""
    loaded = load_published(model, store, device=device)
    return loaded, prepare_inference(loaded, cache=default_cache(), threads=threads or physical_cores())


def validation(loaded: LoadedModel, data: Path, images: int) -> Split:
    """The first validation images of a published model."""
    split = validation_split(loaded, load_data(loaded, data))
    return Split(split.images[:images], split.labels[:images])


def prepared_run(run: Path, data: Path, images: int) -> tuple[LatentInference, Split]:
    """A training run's model, ready to infer, and its first validation images."""
    try:
        folder = GenerativeRun(run)
        _, held_out = folder.splits(folder.dataset(data))
        inference = folder.inference(threads=physical_cores())
    except (RunError, DatasetError) as error:
        fail(str(error))
    return inference, Split(held_out.images[:images], held_out.labels[:images])


def print_machine(machine: Machine) -> None:
    """One line above a table."""
    rates = f"GEMM {machine.gemm_gflops:.0f} GFLOP/s, copies {machine.copy_gb_per_s:.0f} GB/s"
    stdout.print(f"{machine.processor}, {rates}, torch {machine.torch}", highlight=False)
