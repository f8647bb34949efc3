"""`eabs evaluate accuracy`."""

from typing import Annotated

import typer

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Data, Device, Json, Model, SplitName, chosen_images, identity
from cli.options import BUNDLED_STORE, Store
from cli.published import load_published
from eabs.cores import physical_cores
from eabs.settings import Effort, Solver
from model_store import default_cache, prepare_inference
from service.jobs import choose_settings
from training.evaluation import measure_accuracy


def accuracy(
    model: Model,
    data: Data,
    store: Store = BUNDLED_STORE,
    effort: Annotated[Effort | None, typer.Option(help="Of the quasi-Newton method [default: the model's].")] = None,
    solver: Annotated[
        Solver, typer.Option(help="quasi-newton, or adam: the paper's inference, which has no efforts.")
    ] = "quasi-newton",
    split: SplitName = "test",
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Classify a split by latent inference and count."""
    loaded = load_published(model, store, device=device)
    manifest = loaded.manifest
    try:
        settings = choose_settings(solver, effort, default=manifest.default_effort)
    except ValueError as error:
        fail(str(error), usage=True)
    if solver == "quasi-newton":
        effort = effort or manifest.default_effort
    chosen = chosen_images(loaded, data, split, images)
    inference = prepare_inference(loaded, cache=default_cache(), threads=physical_cores())
    with progress_bar() as bar:
        task = bar.add_task("classifying", total=len(chosen), note="")
        found = measure_accuracy(inference, chosen, settings, lambda count: bar.update(task, advance=count))
    result = {
        "model": identity(loaded),
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
