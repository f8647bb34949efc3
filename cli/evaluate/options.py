"""What the measurements of a published model share: their options, their images, whom they speak of."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.published import load_data, validation_split
from model_store import LoadedModel
from model_store.manifest import PROTOTYPES_FILE, WEIGHTS_FILE
from training.datasets import Split

Model = Annotated[str, typer.Option(help="The model's name, with @version or @alias if wanted.")]
Attacked = Annotated[
    str, typer.Option(help="A run folder, or a published model's name, with @version or @alias if wanted.")
]
Data = Annotated[Path, typer.Option(help="The data that it was trained on: a folder or a prepared file.")]
SplitName = Annotated[
    Literal["test", "validation"], typer.Option("--split", help="Choose settings on validation; measure on test.")
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads [default: one a core].")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def chosen_images(loaded: LoadedModel, data: Path, split: str, images: int | None) -> Split:
    """The first `images` of the model's test or validation split; ends the command where there is no data."""
    dataset = load_data(loaded, data)
    chosen = dataset.test if split == "test" else validation_split(loaded, dataset)
    return Split(chosen.images[:images], chosen.labels[:images])


def identity(loaded: LoadedModel) -> dict[str, str | None]:
    """Which model a result speaks of, for JSON: its weights, and its prototype bank if it has one, by their digests."""
    manifest = loaded.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": loaded.digest,
        "weights": manifest.files[WEIGHTS_FILE],
        "prototypes": manifest.files.get(PROTOTYPES_FILE),
    }
