"""`eabs models`: what is published, and publishing."""

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from cli.console import fail, print_json, progress_bar, stdout
from cli.options import BUNDLED_STORE, Store
from eabs.settings import Effort
from model_store import ModelStore, ModelStoreError
from model_store.card import model_card
from training.datasets import FOLDER, DatasetError
from training.datasets.terms import Terms
from training.evaluation_files import EvaluationError
from training.export import REJECT_BELOW, draft_of_run
from training.generative_run import GenerativeRun
from training.run_folder import RunError

app = typer.Typer(help="List, show, describe, publish, verify, alias and delete models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The model's name.")]
Version = Annotated[str, typer.Argument(help="One of its versions.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command("list")
def list_models(store: Store = BUNDLED_STORE, as_json: Json = False) -> None:
    """List every model with its versions and aliases."""
    models = ModelStore(store)
    try:
        found = {name: (models.versions(name), models.aliases(name)) for name in models.names()}
    except ModelStoreError as error:
        fail(str(error))
    if as_json:
        print_json([{"name": name, "versions": found[name][0], "aliases": found[name][1]} for name in found])
        return
    table = Table("name", "versions", "aliases")
    for name, (versions, aliases) in found.items():
        pointers = ", ".join(f"{alias} -> {version}" for alias, version in aliases.items())
        table.add_row(name, ", ".join(versions), pointers)
    stdout.print(table)


@app.command()
def show(
    name: Name,
    reference: Annotated[str | None, typer.Argument(help="A version or an alias; the served one if left out.")] = None,
    store: Store = BUNDLED_STORE,
) -> None:
    """Print the manifest of a version as JSON, without its calibration scores."""
    models = ModelStore(store)
    try:
        manifest = models.manifest(name, models.resolve(name, reference))
    except ModelStoreError as error:
        fail(str(error))
    scores = {"calibration": {"scores"}}
    print_json(manifest.model_dump(mode="json", exclude=scores | {"prototypes": scores}))


@app.command()
def card(
    model: Annotated[str, typer.Argument(help="The model's name, with @version or @alias if wanted.")],
    store: Store = BUNDLED_STORE,
) -> None:
    """Print what is known of a version as Markdown: data, recipe, measured accuracy, limits, digests."""
    name, _, reference = model.partition("@")
    models = ModelStore(store)
    try:
        version = models.resolve(name, reference or None)
        text = model_card(models.manifest(name, version), digest=models.digest(name, version))
    except ModelStoreError as error:
        fail(str(error))
    sys.stdout.write(text)


@app.command()
def publish(
    run: Annotated[Path, typer.Argument(help="A run folder of `eabs train`.")],
    data: Annotated[Path, typer.Option(help="The data that it was trained on: a folder or a prepared file.")],
    store: Store,
    name: Annotated[str | None, typer.Option(help="The model's name; the data set's if left out.")] = None,
    version: Annotated[str | None, typer.Option(help="The next number if left out.")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="Aliases to point at it.")] = None,
    effort: Annotated[Effort, typer.Option(help="What requests get that ask for none.")] = "standard",
    calibration_images: Annotated[int, typer.Option(min=100, help="Validation images that calibrate it.")] = 2000,
    reject_below: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Images of less typicality count as out of distribution; of images like the validation images, at "
            "most this share does. 0 rejects nothing.",
        ),
    ] = REJECT_BELOW,
    prototypes: Annotated[
        bool, typer.Option(help="Ship the prototype bank that `eabs prototypes train` made of it.")
    ] = False,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            help="JSON that `eabs evaluate accuracy`, `certified` or `robustness` wrote of these weights; repeatable."
        ),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Of your own images; official sets have their own.")] = None,
    citation: Annotated[str | None, typer.Option(help="What to cite for your own images.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Calibrate a run on its validation split and publish it as a new, immutable version."""
    try:
        dataset = GenerativeRun(run).dataset(data)
        if (licence or citation) and dataset.name != FOLDER:
            fail(f"licence, citation: expected none for {dataset.name}, whose terms are known", usage=True)
        with progress_bar() as bar:
            task = bar.add_task("calibrating", total=calibration_images, note="")
            model, bank, draft = draft_of_run(
                run,
                dataset,
                name=name or dataset.name,
                effort=effort,
                calibration_images=calibration_images,
                reject_below=reject_below,
                device=torch.device(device),
                with_prototypes=prototypes,
                terms=Terms(licence, citation),
                evaluations=evaluation or (),
                advance=lambda count: bar.update(task, advance=count),
            )
        manifest = ModelStore(store).publish(model, draft, prototypes=bank, version=version, aliases=alias or ())
    except (RunError, DatasetError, EvaluationError, ModelStoreError, ValueError) as error:
        fail(str(error))
    found = {} if manifest.prototypes is None else manifest.prototypes.metrics
    metrics = manifest.metrics | {f"prototypes_{metric}": value for metric, value in found.items()}
    if as_json:
        print_json({"name": manifest.name, "version": manifest.version, "metrics": metrics})
    else:
        stdout.print(f"published {manifest.name} version {manifest.version}: {metrics}")


@app.command()
def verify(name: Name, version: Version, store: Store = BUNDLED_STORE) -> None:
    """Check every file of a version against its manifest; exit 1 where one differs."""
    try:
        ModelStore(store).verify(name, version)
    except ModelStoreError as error:
        fail(str(error))
    stdout.print(f"{name} version {version}: every file is as it was published")


@app.command()
def alias(name: Name, alias: Annotated[str, typer.Argument()], version: Version, store: Store = BUNDLED_STORE) -> None:
    """Point an alias, such as `production`, at a version."""
    try:
        ModelStore(store).set_alias(name, alias, version)
    except ModelStoreError as error:
        fail(str(error))
    stdout.print(f"{name}@{alias} -> {version}")


@app.command()
def delete(name: Name, version: Version, store: Store = BUNDLED_STORE) -> None:
    """Delete a version that no alias points at."""
    try:
        ModelStore(store).delete(name, version)
    except ModelStoreError as error:
        fail(str(error))
    stdout.print(f"deleted {name} version {version}")
