"""`eabs evaluate convergence`."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import torch
import typer
from rich.table import Table
from torch import Tensor, nn

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Data, Device, Json, Model, SplitName, chosen_images, identity
from cli.options import BUNDLED_STORE, Store
from cli.published import load_published
from eabs.cores import physical_cores
from eabs.settings import EFFORTS, PAPER_SETTINGS, InferenceSettings
from model_store import default_cache, prepare_inference
from training.datasets import to_unit_range

_EOT = "pgd-linf-eot"


def convergence(
    model: Model,
    data: Data,
    vary: Annotated[
        str,
        typer.Option(
            help="ATTACK-NORM-SETTING: pgd-linf-steps (Table 8), pgd-linf-restarts (7), pgd-linf-eot (6: samples of an "
            "expectation over the paper's inference, which is random), pgd-l2-steps, ddn-l2-steps, cw-l2-steps, "
            "cw-l2-searches, deepfool-linf-steps, deepfool-l2-steps, apgd-linf-steps or apgd-l2-steps."
        ),
    ],
    store: Store = BUNDLED_STORE,
    value: Annotated[
        list[int] | None, typer.Option(min=0, help="Of the setting; repeatable. The paper's, if left out.")
    ] = None,
    restarts: Annotated[int, typer.Option(min=1, help="PGD's, while something else varies.")] = 5,
    epsilon: Annotated[
        float | None, typer.Option(help="In [0, 1] pixels. The paper's for the data set, if left out.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images, drawn by the seed.")] = 200,
    split: SplitName = "test",
    seed: Annotated[int, typer.Option(min=0, help="Of the samples and of what is random in attacks.")] = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Measure accuracy under an attack at several values of one of its settings (the paper's Tables 6 to 8)."""
    # They import Foolbox, which no other command should wait for.
    from training.attacks.classifiers import LatentLogits, expected_latent_logits  # noqa: PLC0415
    from training.convergence import expectation, measure_convergence, sweeps  # noqa: PLC0415
    from training.robustness.plan import paper_epsilons  # noqa: PLC0415

    known = sweeps(restarts=restarts, seed=seed) | {_EOT: expectation(restarts=restarts, seed=seed)}
    if vary not in known:
        fail(f"vary: expected {', '.join(sorted(known))}, got {vary}", usage=True)
    if epsilon is not None and not epsilon > 0:
        fail(f"epsilon: expected a number above 0, got {epsilon}", usage=True)
    if vary == _EOT and value and 0 in value:
        fail("value: expected at least 1 sample, got 0", usage=True)
    sweep = known[vary]
    values = tuple(value or sweep.values)
    loaded = load_published(model, store, device=device)
    chosen = chosen_images(loaded, data, split, None)
    drawn = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))[:samples]
    inference = prepare_inference(loaded, cache=default_cache(), threads=physical_cores())
    images, labels = to_unit_range(chosen.images[drawn]).to(device), chosen.labels[drawn].to(device)
    served: InferenceSettings = PAPER_SETTINGS if vary == _EOT else EFFORTS[loaded.manifest.default_effort]
    # What answers are given by: attacks see neither another effort nor, where it is random, the same noise.
    fixed = LatentLogits(inference, served)

    def logits(value: int) -> nn.Module:
        if vary != _EOT:
            return fixed
        return expected_latent_logits(inference, PAPER_SETTINGS, samples=value, seed=loaded.manifest.seed)

    def predict(batch: Tensor) -> Tensor:
        return inference.infer(batch, served).predictions

    bound = epsilon if epsilon is not None else paper_epsilons(loaded.manifest.training_data.dataset)[sweep.norm]
    with progress_bar() as bar:
        task = bar.add_task(vary, total=len(values) * len(images), note="")
        points = measure_convergence(
            sweep, values, logits, predict, images, labels, bound, advance=partial(bar.advance, task)
        )
    if as_json:
        print_json(
            {
                "model": identity(loaded),
                "split": split,
                "samples": len(images),
                "seed": seed,
                "vary": vary,
                "restarts": restarts,
                "norm": sweep.norm,
                "epsilon": bound,
                "points": [asdict(point) for point in points],
            }
        )
        return
    stdout.print(f"{vary}, epsilon {bound:g}, {len(images)} {split} images, seed {seed}", highlight=False)
    table = Table(vary.rsplit("-", 1)[1], "accuracy", "seconds")
    for point in points:
        table.add_row(str(point.value), f"{point.accuracy:.1%}", f"{point.seconds:.0f}")
    stdout.print(table)
