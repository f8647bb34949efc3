"""`eabs evaluate`: what a published model is worth on its test images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.console import fail, print_json, progress_bar, stdout
from cli.published import load_data, load_published, validation_split
from eabs.cores import physical_cores
from eabs.settings import Effort, Solver
from model_store import BUNDLED, default_cache, prepare_inference
from service.jobs import choose_settings
from training.datasets import Split
from training.evaluation import measure_accuracy

app = typer.Typer(help="Measure a published model.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Measure a published model."""


@app.command()
def accuracy(
    model: Annotated[str, typer.Option(help="The model's name, with @version or @alias if wanted.")],
    data: Annotated[Path, typer.Option(help="Folder with the official files of the set that it was trained on.")],
    store: Annotated[Path, typer.Option(envvar="EABS_STORE", help="The store's folder.")] = BUNDLED,
    effort: Annotated[Effort | None, typer.Option(help="fast, standard or thorough [default: standard].")] = None,
    solver: Annotated[
        Solver, typer.Option(help="quasi-newton, or adam: the paper's inference, which has no efforts.")
    ] = "quasi-newton",
    split: Annotated[
        Literal["test", "validation"], typer.Option(help="Choose settings on validation; measure on test.")
    ] = "test",
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Classify a split by latent inference and count."""
    try:
        settings = choose_settings(solver, effort, default="standard")
    except ValueError as error:
        fail(str(error), usage=True)
    if solver == "quasi-newton":
        effort = effort or "standard"
    loaded = load_published(model, store, device=device)
    manifest, dataset = loaded.manifest, load_data(loaded, data)
    chosen = dataset.test if split == "test" else validation_split(loaded, dataset)
    chosen = Split(chosen.images[:images], chosen.labels[:images])
    inference = prepare_inference(loaded, cache=default_cache(), threads=physical_cores())
    with progress_bar() as bar:
        task = bar.add_task("classifying", total=len(chosen), note="")
        found = measure_accuracy(inference, chosen, settings, lambda count: bar.update(task, advance=count))
    result = {
        "model": {"name": manifest.name, "version": manifest.version, "digest": loaded.digest},
        "split": split,
        "solver": solver,
        "effort": effort,
        "images": found.images,
        "correct": found.correct,
        "accuracy": found.accuracy,
        "per_class": dict(zip(manifest.classes, found.per_class, strict=True)),
        "seconds": round(found.seconds, 1),
    }
    if as_json:
        print_json(result)
    else:
        stdout.print(
            f"{manifest.name} version {manifest.version}, {effort or solver}: {found.correct} of {found.images} "
            f"{split} images right, {found.accuracy:.2%}, {1000 * found.seconds / found.images:.1f} ms an image",
            highlight=False,
        )
