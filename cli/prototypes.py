"""`eabs prototypes`: training a run's prototype bank for its certificate, and comparing banks."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.table import Table

from cli.console import fail, print_json, progress_bar, stderr, stdout
from eabs.cores import physical_cores
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from training.certified_accuracy import RADII, measure_bank
from training.datasets import DatasetError, Split
from training.generative_run import GenerativeRun
from training.prototypes.banks import bank_of_images, bank_of_recreations, bank_of_the_prior, recreations
from training.prototypes.folder import PrototypeFolder
from training.prototypes.loop import Epoch, PrototypeTrainer, first_of_each_class
from training.prototypes.recipe import PrototypeRecipe
from training.run_folder import RunError

app = typer.Typer(help="Train a run's prototype bank for its certificate, and compare banks.", no_args_is_help=True)


class Kind(StrEnum):
    """Where a bank comes from: typer takes a list of choices as an enumeration only."""

    TRAINED = "trained"
    RECREATIONS = "recreations"
    PRIOR = "prior"
    IMAGES = "images"


Run = Annotated[Path, typer.Argument(help="A run folder of `eabs train`.")]
Data = Annotated[Path, typer.Option(help="The data that it was trained on: a folder or a prepared file.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_DEFAULTS = PrototypeRecipe()


@app.command()
def train(
    run: Run,
    data: Data,
    per_class: Annotated[int, typer.Option(min=1, help="Prototypes of each class.")] = _DEFAULTS.per_class,
    components: Annotated[int, typer.Option(min=1, help="Principal components that they lie in.")] = (
        _DEFAULTS.components
    ),
    margin: Annotated[float, typer.Option(help="What the certificate is trained up to, L2.")] = _DEFAULTS.margin,
    epochs: Annotated[int, typer.Option(min=1)] = _DEFAULTS.epochs,
    learning_rate: Annotated[float, typer.Option(min=0)] = _DEFAULTS.learning_rate,
    seed: Annotated[int, typer.Option(help="Of the order and the deformations.")] = _DEFAULTS.seed,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves it to PyTorch.")] = 0,
    as_json: Json = False,
) -> None:
    """Train a bank into RUN/prototypes; an interrupted training is resumed. `eabs models publish` ships it."""
    if threads:
        torch.set_num_threads(threads)
    folder = PrototypeFolder(run)
    try:
        training_split, validation_split = GenerativeRun(run).splits(GenerativeRun(run).dataset(data))
        recipe = replace(
            _DEFAULTS,
            per_class=per_class,
            components=components,
            margin=margin,
            epochs=epochs,
            learning_rate=learning_rate,
            seed=seed,
        )
        folder.path.mkdir(parents=True, exist_ok=True)
        starts = recreations(GenerativeRun(run).e_abs(), first_of_each_class(training_split, per_class))
        trainer = PrototypeTrainer(training_split, starts, recipe, folder.checkpoint)
        done = trainer.resume()
    except (RunError, DatasetError, ValueError) as error:
        fail(str(error), usage=True)
    if done:
        stderr.print(f"resuming {folder.path} at epoch {done} of {epochs}")
    with progress_bar() as bar:
        task = bar.add_task("training", total=epochs, completed=done, note="")

        def show(epoch: Epoch) -> None:
            bar.update(task, completed=epoch.done, note=f"loss {epoch.loss:.3f}, {epoch.correct:.1%} right")

        bank = trainer.run(show)
    folder.save(bank, recipe)
    _print({"trained": _measure("trained", bank, validation_split)}, "validation", as_json=as_json)


@app.command()
def compare(
    run: Run,
    data: Data,
    bank: Annotated[list[Kind], typer.Option(help="Banks to compare; may be repeated.")],
    split: Annotated[
        Literal["test", "validation"], typer.Option(help="Choose on validation; measure on test.")
    ] = "validation",
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    as_json: Json = False,
) -> None:
    """Clean and certified accuracy of banks: trained, re-creations of the training images, samples of the prior, the
    training images themselves."""
    try:
        dataset = GenerativeRun(run).dataset(data)
        training_split, validation_split = GenerativeRun(run).splits(dataset)
        makers: dict[Kind, Callable[[], PrototypeBank]] = {
            Kind.TRAINED: lambda: PrototypeFolder(run).load()[0],
            Kind.RECREATIONS: lambda: bank_of_recreations(GenerativeRun(run).e_abs(), training_split),
            Kind.PRIOR: lambda: bank_of_the_prior(_inference(run)),
            Kind.IMAGES: lambda: bank_of_images(training_split),
        }
        chosen = dataset.test if split == "test" else validation_split
        chosen = Split(chosen.images[:images], chosen.labels[:images])
        found = {kind.value: _measure(kind.value, makers[kind](), chosen) for kind in bank}
    except (RunError, DatasetError, ValueError) as error:
        fail(str(error), usage=True)
    _print(found, split, as_json=as_json)


def _measure(kind: str, bank: PrototypeBank, split: Split) -> dict[str, Any]:
    with progress_bar() as bar:
        task = bar.add_task(f"certifying by {kind}", total=len(split), note="")
        found = measure_bank(bank, split, lambda count: bar.update(task, advance=count))
    return {
        "prototypes": len(bank),
        "bytes": bank.nbytes,
        "images": found.images,
        "clean": found.clean,
        "certified": found.certified,
        "median_radius": found.median_radius,
        "ms": 1000 * found.seconds / found.images,
    }


def _print(found: dict[str, dict[str, Any]], split: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"split": split, "banks": found})
        return
    table = Table("bank", "prototypes", "MB", "ms an image", "clean", *(f"at {radius:g}" for radius in RADII))
    for kind, result in found.items():
        shares = [result["clean"], *result["certified"].values()]
        size = f"{result['bytes'] / 1e6:.0f}"
        table.add_row(kind, str(result["prototypes"]), size, f"{result['ms']:.1f}", *(f"{s:.2%}" for s in shares))
    stdout.print(f"{next(iter(found.values()))['images']} {split} images", highlight=False)
    stdout.print(table)


def _inference(run: Path) -> LatentInference:
    return GenerativeRun(run).inference(threads=physical_cores())
