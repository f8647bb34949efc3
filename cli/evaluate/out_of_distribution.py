"""`eabs evaluate out-of-distribution`."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.table import Table
from torch import Tensor

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Data, Json, Model, identity
from cli.options import BUNDLED_STORE, Store
from cli.published import load_data, load_published, validation_split
from eabs.cores import physical_cores
from eabs.settings import EFFORTS, Effort
from model_store import LoadedModel, Manifest, default_cache, prepare_inference
from model_store.images import encode_png
from service.images.decoding import decode_image
from training.datasets import DatasetError, Split, load_dataset, to_unit_range
from training.discriminative.network import Cnn
from training.discriminative.run import DiscriminativeRun
from training.out_of_distribution.comparison import Comparison, compare, spread
from training.out_of_distribution.judges import Judge, by_latent_inference, by_prototypes, by_softmax
from training.out_of_distribution.synthetic import synthetic_images
from training.run_folder import RunError


def out_of_distribution(
    model: Model,
    data: Data,
    store: Store = BUNDLED_STORE,
    against: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR: a data set as `eabs train` names it, and the folder of its files; repeatable."),
    ] = None,
    cnn: Annotated[
        list[Path] | None, typer.Option(help="A run folder of `eabs train --model cnn`, to compare with; repeatable.")
    ] = None,
    effort: Annotated[Effort | None, typer.Option(help="Of latent inference [default: its calibration's].")] = None,
    images: Annotated[int, typer.Option(min=1, help="Of each set, for latent inference; the others take all.")] = 1000,
    as_json: Json = False,
) -> None:
    """Tell test images from other data sets' test images, noise, and test images that were changed."""
    loaded = load_published(model, store)
    manifest, dataset = loaded.manifest, load_data(loaded, data)
    shape = manifest.architecture.image
    inside = to_unit_range(dataset.test.images)
    outside = {name: _as_served(found.images, shape) for name, found in _foreign(against or ()).items()}
    outside |= synthetic_images(inside)
    held_out = validation_split(loaded, dataset)
    networks = {folder.name: _network(folder, manifest) for folder in cnn or ()}
    latent, others = _judges(loaded, networks, held_out, effort or manifest.calibration.effort)
    found: dict[str, Comparison] = {}
    sets = [inside, *outside.values()]
    with progress_bar() as bar:
        task = bar.add_task("latent", total=sum(len(spread(one, images)) for one in sets), note="")
        found |= compare(latent, inside, outside, most=images, advance=partial(bar.advance, task))
        for name, judge in others.items():
            task = bar.add_task(name, total=sum(len(one) for one in sets), note="")
            found |= compare(judge, inside, outside, advance=partial(bar.advance, task))
    if as_json:
        measures = {name: asdict(comparison) for name, comparison in found.items()}
        effort = effort or manifest.calibration.effort
        print_json({"model": identity(loaded), "effort": effort, "measures": measures})
    else:
        _print(manifest.training_data.dataset, found)


def _judges(
    loaded: LoadedModel, networks: Mapping[str, Cnn], held_out: Split, effort: Effort
) -> tuple[Judge, dict[str, Judge]]:
    """Latent inference, and everything that is quick."""
    manifest = loaded.manifest
    inference = prepare_inference(loaded, cache=default_cache(), threads=physical_cores())
    latent = by_latent_inference(inference, manifest.calibration, EFFORTS[effort])
    others: dict[str, Judge] = {}
    if loaded.prototypes is not None and manifest.prototypes is not None:
        others["finite-bank"] = by_prototypes(loaded.prototypes, manifest.prototypes.calibration)
    validation = to_unit_range(held_out.images)
    for name, network in networks.items():
        others[name] = by_softmax(name, network, validation, reject_below=manifest.calibration.reject_below)
    return latent, others


def _foreign(against: list[str] | tuple[()]) -> dict[str, Split]:
    found = {}
    for one in against:
        name, separator, folder = one.partition("=")
        if not separator:
            fail(f"against: expected NAME=DIR, got {one!r}", usage=True)
        try:
            found[name] = load_dataset(name, Path(folder)).test
        except DatasetError as error:
            fail(f"against: {error}", usage=True)
    return found


def _as_served(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """What the server makes of images (N, C, H, W) uint8 that a client sends: (N, *shape) float32 in [0, 1]."""
    if tuple(images.shape[1:]) == shape:
        return to_unit_range(images)
    fitted = [decode_image(encode_png(image.numpy()), shape=shape, max_pixels=image.numel()).pixels for image in images]
    return torch.from_numpy(np.stack(fitted))


def _network(folder: Path, manifest: Manifest) -> Cnn:
    try:
        run = DiscriminativeRun(folder)
        network, description = run.classifier(), run.description()
    except RunError as error:
        fail(str(error), usage=True)
    recipe, trained = description.recipe, manifest.training_recipe
    found = (description.sources, recipe.validation_fraction, recipe.seed)
    if found != (manifest.training_data.sources, trained["validation_fraction"], trained["seed"]):
        fail(f"{folder}: expected a network trained on the images that {manifest.name} was trained on", usage=True)
    return network


def _print(dataset: str, found: Mapping[str, Comparison]) -> None:
    table = Table("against", "measure", "images", "AUROC", "FPR at 95 % TPR", "rejected")
    for measure, comparison in found.items():
        table.add_row(f"{dataset} itself", measure, str(comparison.images), "", "", _percent(comparison.rejected))
    for name in next(iter(found.values())).against:
        table.add_section()
        for measure, comparison in found.items():
            one = comparison.against[name]
            rates = (_percent(one.false_positive_rate), _percent(one.rejected))
            table.add_row(name, measure, str(one.images), f"{one.auroc:.4f}", *rates)
    stdout.print(table)


def _percent(share: Any) -> str:
    return "" if share is None else f"{share:.2%}"
