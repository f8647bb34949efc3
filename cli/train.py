"""`eabs train`: trains a model into a run folder, and goes on where an earlier call stopped."""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from cli.console import fail, print_json, progress_bar, stderr
from cli.trainers import KINDS, Reached, Training, Wanted, trainer_for
from training.allocator import keep_freed_memory
from training.datasets import FOLDER, DatasetError, FolderOptions, Mode, load_dataset
from training.parallel.processes import started_by_torchrun
from training.recipe import Precision
from training.run_folder import RunError


def train(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Option(help="mnist, fashion_mnist, svhn, gtsrb, supertraffic10, or folder: your own.")
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with the set's official files, or a folder of images for each class; or a prepared file."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Run folder; an interrupted run in it is resumed.")],
    model: Annotated[str, typer.Option(help=f"What is trained: {', '.join(KINDS)}.")] = KINDS[0],
    mode: Annotated[
        Mode | None,
        typer.Option(help="folder: L (grey, 28x28) or RGB (32x32) [default: RGB if an image shows a colour]."),
    ] = None,
    preset: Annotated[str, typer.Option(help="Recipe: paper, quick or, of e-abs and its kin, best.")] = "quick",
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: CUDA where there is one.")] = "auto",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="Instead of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Instead of the recipe's.")] = None,
    noise: Annotated[
        float | None,
        typer.Option(min=0, help="Of training images: standard deviation, instead of the recipe's."),
    ] = None,
    validate_every: Annotated[
        int | None, typer.Option(min=1, help="Epochs between validations, instead of the recipe's.")
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the prior, in training and in inference, instead of the recipe's."),
    ] = None,
    gamma: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the discriminative loss, instead of the recipe's; 0 is off."),
    ] = None,
    inference_aware: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the inference-aware loss, an addition to the paper; 0 is off."),
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the shortfall of an image's radius, an addition to the paper; 0 is off."),
    ] = None,
    target_radius: Annotated[float | None, typer.Option(min=0, help="The L2 radius that images should have.")] = None,
    rival_steps: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With --from: how many steps improve the nearest rival's latent first, an addition to the paper.",
        ),
    ] = None,
    sliced_wasserstein: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the latents' distance from the prior, an addition to the paper."),
    ] = None,
    discriminator_steps: Annotated[
        int | None, typer.Option(min=1, help="Updates of the discriminator for each of the other networks'.")
    ] = None,
    wide_start: Annotated[
        int | None, typer.Option(min=1, help="How many times as wide the decoders start as in Table 9.")
    ] = None,
    deformation: Annotated[
        float | None,
        typer.Option(min=0, help="How strongly training images are deformed, an addition to the paper; 0 is off."),
    ] = None,
    lighting: Annotated[
        float | None,
        typer.Option(min=0, help="How strongly training images' light is changed, an addition to the paper; 0 is off."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Run folder to start from: of the same model or, for one with a shared encoder, adv-linf and adv-l2, "
            "of the cnn.",
        ),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="How far images are moved against the network in training; e-abs: by L2, against its encoder, "
            "an addition to the paper.",
        ),
    ] = None,
    attack_steps: Annotated[int | None, typer.Option(min=1, help="Of the attack in training.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="Of arithmetic: float32, tf32 (CUDA) or bf16.")] = None,
    seed: Annotated[int, typer.Option(help="Of the split, the weights, the noise and the order.")] = 0,
    checkpoint_seconds: Annotated[float, typer.Option(min=0, help="Between checkpoints.")] = 60.0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves it to PyTorch.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the last validation as JSON.")] = False,
) -> None:
    """Train a model, with regular checkpoints, a CSV log and TensorBoard curves in the run folder.

    Started by torchrun, every process trains with its part of each batch, and the first one writes.
    """
    if threads:
        torch.set_num_threads(threads)
    keep_freed_memory()
    overrides = {"epochs": epochs, "batch": batch, "learning_rate": learning_rate, "augmentation_std": noise}
    try:
        if mode and dataset != FOLDER:
            raise ValueError(f"mode: expected none with {dataset}, whose images are what they are, got {mode}")
        data_set = load_dataset(dataset, data, FolderOptions(mode, seed))
        processes, own_device = context.with_resource(started_by_torchrun(_device(device)))
        wanted = Wanted(
            kind=model,
            preset=preset,
            out=out,
            device=own_device,
            processes=processes,
            checkpoint_seconds=checkpoint_seconds,
            seed=seed,
            overrides={name: value for name, value in overrides.items() if value is not None},
            validate_every=validate_every,
            beta=beta,
            gamma=gamma,
            inference_aware=inference_aware,
            radius=radius,
            target_radius=target_radius,
            rival_steps=rival_steps,
            sliced_wasserstein=sliced_wasserstein,
            discriminator_steps=discriminator_steps,
            wide_start=wide_start,
            deformation=deformation,
            lighting=lighting,
            precision=precision,
            start=start,
            epsilon=epsilon,
            attack_steps=attack_steps,
        )
        trainer = trainer_for(data_set, wanted)
        resumed_at = trainer.resume()
    except (DatasetError, RunError, ValueError, RuntimeError) as error:
        fail(str(error), usage=True)
    if not processes.first:
        trainer.run()
        return
    if resumed_at:
        stderr.print(f"resuming {out} at step {resumed_at} of {trainer.steps}")
    last = _run(trainer, resumed_at)
    if as_json:
        print_json(last)
    elif model == "e-abs":
        stderr.print(f"trained {trainer.step} steps; publish it with: eabs models publish {out}")
    else:
        stderr.print(f"trained {trainer.step} steps")


def _run(trainer: Training, resumed_at: int) -> dict[str, Any]:
    """Trains to the end, and shows how far it is; returns the last validation."""
    last: dict[str, Any] = {"step": resumed_at, "steps": trainer.steps}
    with progress_bar() as bar:
        task = bar.add_task("training", total=trainer.steps, completed=resumed_at, note="")

        def report(progress: Reached) -> None:
            bar.update(task, completed=progress.step)
            if progress.validation is None:
                return
            note = f"epoch {progress.epoch}: {progress.validation.summary}"
            bar.update(task, note=note)
            last.update(step=progress.step, epoch=progress.epoch, **vars(progress.validation))
            if not stderr.is_terminal:
                stderr.print(f"step {progress.step}/{trainer.steps} {note}")

        try:
            trainer.run(report)
        except KeyboardInterrupt:
            trainer.save()
            fail(f"interrupted at step {trainer.step}; the same command resumes it")
    return last


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)
