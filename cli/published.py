"""A published model and the data that it was trained on, as `evaluate` and `bench` need them."""

from pathlib import Path

from cli.console import fail
from model_store import LoadedModel, ModelStore, ModelStoreError, default_cache
from training.datasets import FOLDER, Dataset, DatasetError, FolderOptions, Split, holdout, load_dataset


def load_published(model: str, store: str, *, device: str = "cpu") -> LoadedModel:
    """The model that `name`, `name@version` or `name@alias` means; ends the command where there is none."""
    name, _, reference = model.partition("@")
    try:
        return ModelStore(store, cache=default_cache()).load(name, reference or None, device=device)
    except ModelStoreError as error:
        fail(str(error))


def load_data(loaded: LoadedModel, folder: Path) -> Dataset:
    """The data set that the model was trained on; ends the command where its files are not in `folder`."""
    manifest = loaded.manifest
    trained_on = manifest.training_data
    options = FolderOptions(manifest.preprocessing.mode, int(manifest.training_recipe.get("seed", 0)))
    try:
        dataset = load_dataset(trained_on.dataset, folder, options)
    except DatasetError as error:
        fail(str(error))
    if dataset.name == FOLDER and dataset.sources != trained_on.sources:
        # Another image could be one that was trained on, now counted among the test images.
        fail(f"{folder}: expected the images that were trained on, {trained_on.sources}, got {dataset.sources}")
    return dataset


def validation_split(loaded: LoadedModel, dataset: Dataset) -> Split:
    """The images that were held out of the model's training."""
    recipe = loaded.manifest.training_recipe
    _, held_out = holdout(dataset.train, float(recipe["validation_fraction"]), int(recipe["seed"]))
    return held_out
