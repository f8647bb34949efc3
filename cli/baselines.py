"""`eabs baselines`: training the classifiers that a model is compared with."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from cli.console import fail, print_json, progress_bar, stdout
from training.baselines.folder import BaselineDescription, BaselineFolder
from training.baselines.recipe import CnnRecipe
from training.baselines.training import Epoch, train_cnn
from training.datasets import FOLDER, DatasetError, load_dataset
from training.recipe import AUGMENTATION_STD

app = typer.Typer(help="Train what a model is compared with.", no_args_is_help=True)

_DEFAULTS = CnnRecipe()


@app.callback()
def baselines() -> None:
    """Train what a model is compared with."""


@app.command()
def train(
    dataset: Annotated[str, typer.Option(help="mnist, fashion_mnist, svhn, gtsrb or supertraffic10.")],
    data: Annotated[Path, typer.Option(help="Folder with the data set's official files, or its prepared file.")],
    out: Annotated[Path, typer.Option(help="Folder for the trained network; replaced if there is one in it.")],
    epochs: Annotated[int, typer.Option(min=1)] = _DEFAULTS.epochs,
    batch: Annotated[int, typer.Option(min=2)] = _DEFAULTS.batch,
    learning_rate: Annotated[float, typer.Option(min=1e-9, help="The highest of the cycle.")] = _DEFAULTS.learning_rate,
    noise: Annotated[
        float | None, typer.Option(min=0, help="Standard deviation of the noise on training images; the paper's.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the weights, the noise and the order.")] = _DEFAULTS.seed,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves it to PyTorch.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train a CNN: the encoder of the data set's model and a linear layer, on the images that the model trains on."""
    if threads:
        torch.set_num_threads(threads)
    last = Epoch(0, 0.0, 0.0)
    try:
        if dataset == FOLDER:
            raise ValueError(f"dataset: expected an official data set, which papers compare on, got {FOLDER}")
        loaded = load_dataset(dataset, data)
        recipe = replace(
            _DEFAULTS,
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            augmentation_std=AUGMENTATION_STD[dataset] if noise is None else noise,
            seed=seed,
        )
        with progress_bar() as bar:
            task = bar.add_task("training", total=epochs, note="")

            def show(epoch: Epoch) -> None:
                nonlocal last
                last = epoch
                bar.update(task, completed=epoch.done, note=f"{epoch.validation_accuracy:.2%} right")

            network = train_cnn(loaded, recipe, device=torch.device(device), report=show)
    except (DatasetError, ValueError) as error:
        fail(str(error), usage=True)
    description = BaselineDescription(loaded.name, loaded.sources, recipe, last.validation_accuracy)
    BaselineFolder(out).save(network, description)
    if as_json:
        print_json(asdict(description))
    else:
        stdout.print(
            f"{out}: {last.validation_accuracy:.2%} of the validation images right", highlight=False, soft_wrap=True
        )
