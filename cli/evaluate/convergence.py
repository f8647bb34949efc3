"""`eabs evaluate convergence`."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

import torch
import typer

from cli.console import fail, print_json, progress_bar, stdout
from cli.evaluate.options import Attacked, Data, Device, Json, SplitName, Threads
from cli.options import BUNDLED_STORE, Store
from eabs.cores import physical_cores
from eabs.settings import AdamSettings, Effort
from model_store import ModelStoreError
from training.datasets import DatasetError
from training.run_folder import RunError

_EOT = "pgd-linf-eot"


def convergence(
    model: Attacked,
    data: Data,
    vary: Annotated[
        str,
        typer.Option(
            help="ATTACK-NORM-SETTING: pgd-linf-steps (Table 8), pgd-linf-restarts (7), pgd-linf-eot (6: samples of an "
            "expectation over the paper's inference, which is random), or of another attack; a wrong one is answered "
            "with all there are."
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
    effort: Annotated[
        Effort | None, typer.Option(help="Of answers and of what attacks see [default: the model's own].")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Images, drawn by the seed.")] = 200,
    split: SplitName = "test",
    seed: Annotated[int, typer.Option(min=0, help="Of the samples and of what is random in attacks.")] = 0,
    device: Device = "cpu",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy under an attack at several values of one of its settings (the paper's Tables 6 to 8)."""
    # They import Foolbox, which no other command should wait for.
    from training.attacks.classifiers import LatentLogits, expected_latent_logits  # noqa: PLC0415
    from training.convergence import expectation, measure_convergence, settings_varied, sweeps  # noqa: PLC0415
    from training.robustness.loading import Asked, load_subject  # noqa: PLC0415
    from training.robustness.plan import paper_epsilons  # noqa: PLC0415
    from training.robustness.samples import draw_pool, draw_samples  # noqa: PLC0415

    if epsilon is not None and not epsilon > 0:
        fail(f"epsilon: expected a number above 0, got {epsilon}", usage=True)
    if vary == _EOT and value and 0 in value:
        fail("value: expected at least 1 sample, got 0", usage=True)
    if vary not in (names := [*settings_varied(), _EOT]):
        fail(f"vary: expected {', '.join(sorted(names))}, got {vary}", usage=True)
    threads = threads or physical_cores()
    torch.set_num_threads(threads)
    try:
        asked = Asked("adam" if vary == _EOT else "quasi-newton", effort)
        subject = load_subject(model, store=store, asked=asked, device=torch.device(device), threads=threads)
        known = subject.origin.load(data)
        drawn = draw_samples(subject.origin.split(known, split), samples, seed)
    except (ModelStoreError, RunError, DatasetError, ValueError) as error:
        fail(str(error), usage=True)
    pool = draw_pool(known.train, seed).to(subject.device)
    choices = sweeps(pool=pool, restarts=restarts, seed=seed) | {_EOT: expectation(restarts=restarts, seed=seed)}
    sweep = choices[vary]
    values = tuple(value or sweep.values)
    bound = paper_epsilons(known.like)[sweep.norm] if epsilon is None else epsilon

    def logits(value: int) -> torch.nn.Module:
        # Attacks see what answers, but for its noise where it is random.
        seen = subject.logits
        if vary == _EOT and isinstance(seen, LatentLogits) and isinstance(seen.settings, AdamSettings):
            return expected_latent_logits(seen.inference, seen.settings, samples=value, seed=seen.inference.seed)
        return seen

    def predict(batch: torch.Tensor) -> torch.Tensor:
        return subject.predict(batch).to(batch.device)

    if not as_json:
        stdout.print(f"{vary}, epsilon {bound:g}, {len(drawn)} {split} images, seed {seed}", highlight=False)
        stdout.print(f"{vary.rsplit('-', 1)[1]:>8}  accuracy  seconds")
    points = []
    with progress_bar() as bar:
        task = bar.add_task(vary, total=len(values) * len(drawn), note="")
        for point in measure_convergence(
            sweep, values, logits, predict, drawn.unit_range().to(subject.device), drawn.labels.to(subject.device),
            bound, advance=partial(bar.advance, task),
        ):  # fmt: skip
            points.append(point)
            if not as_json:
                stdout.print(f"{point.value:>8}  {point.accuracy:>8.1%}  {point.seconds:>7.0f}", highlight=False)
    if as_json:
        print_json(
            {
                "model": {"name": subject.name, "kind": subject.kind, **subject.identity},
                "split": split,
                "samples": len(drawn),
                "seed": seed,
                "vary": vary,
                "restarts": restarts,
                "norm": sweep.norm,
                "epsilon": bound,
                "points": [asdict(point) for point in points],
            }
        )
