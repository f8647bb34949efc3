"""Subjects from what is published and from what was trained."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from eabs.candidates import DEFAULT_CANDIDATES
from eabs.cores import physical_cores
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, PAPER_SETTINGS, AdamSettings, Effort, InferenceSettings, Solver, name_of
from model_store import ModelStore, default_cache, prepare_inference, weights_digest
from model_store.manifest import WEIGHTS_FILE
from training.attacks.classifiers import LatentLogits, expected_latent_logits
from training.attacks.unrolled import UnrolledLogits
from training.datasets import FOLDER
from training.discriminative.run import DiscriminativeRun
from training.generative_run import GenerativeRun
from training.robustness.origin import Origin
from training.robustness.subject import Subject
from training.run_folder import RunDescription, kind_of_run

Seen = Literal[Effort, "unrolled"]


@dataclass(frozen=True)
class Asked:
    """How a generative model answers and is attacked, where not simply as it is served.

    - `solver`: `adam` is the paper's inference.
    - `effort`: of the quasi-Newton method, the model's own if None.
    - `seen`: the effort of what attacks see, by the adaptive gradient; that of the answers, and Adam's where they are
      Adam's, if None; or `unrolled`, effort `fast` by the gradient of the steps themselves.
    - `expectation`: attacks do not know the noise of Adam but expect it, over so many samples of it (section 4.2: 5).
      They know it if None, which the paper's did not.

    Raises:
        ValueError: an effort for Adam, which has none, or an expectation over what is not random.
    """

    solver: Solver = "quasi-newton"
    effort: Effort | None = None
    seen: Seen | None = None
    expectation: int | None = None

    def __post_init__(self) -> None:
        if self.solver == "adam" and self.effort is not None:
            raise ValueError(f"effort: expected none with the solver adam, which has no efforts, got {self.effort}")
        if self.expectation is not None and (self.solver != "adam" or self.seen is not None):
            raise ValueError("expectation: expected none where attacks see what is not random, the quasi-Newton method")

    def settings(self, default: Effort) -> InferenceSettings:
        """Of the answers, where `default` is the model's own effort."""
        return PAPER_SETTINGS if self.solver == "adam" else EFFORTS[self.effort or default]


SERVED = Asked()


def load_subject(
    reference: str,
    *,
    store: str | Path,
    asked: Asked = SERVED,
    candidates: int = DEFAULT_CANDIDATES,
    device: torch.device,
    threads: int | None = None,
) -> Subject:
    """A classifier under test.

    Args:
        reference: a run folder, or a published model as `name`, `name@version` or `name@alias`.
        store: where published models are.
        asked: how a generative model answers, and what attacks see of it.
        candidates: that the latent inference of a run folder starts from; what is published says how many it has.
        device: where it computes.
        threads: on the CPU, how many images to work on at once; as many as there are cores, if None.

    Raises:
        RunError: the folder holds no trained classifier.
        ModelStoreError: there is no such published model.
        ValueError: an effort or a solver for a classifier that has none.
    """
    folder = Path(reference)
    threads = threads or physical_cores()
    # A folder by a model's name may lie here by chance; one by a path is meant.
    if not (folder / "run.json").exists() and not (os.sep in reference and folder.is_dir()):
        return _published(reference, store, asked, device, threads)
    if kind_of_run(folder) in DiscriminativeRun.kinds:
        if asked != SERVED:
            given = ", ".join(
                one.name for one in fields(asked) if getattr(asked, one.name) != getattr(SERVED, one.name)
            )
            raise ValueError(f"{given}: expected none for {folder}, whose network answers in one pass")
        return _discriminative(folder, device)
    return _generative(folder, asked, candidates, device, threads)


def _published(reference: str, store: str | Path, asked: Asked, device: torch.device, threads: int) -> Subject:
    name, _, version = reference.partition("@")
    loaded = ModelStore(store, cache=default_cache()).load(name, version or None, device=device)
    manifest = loaded.manifest
    recipe = manifest.training_recipe
    origin = Origin(
        dataset=manifest.training_data.dataset,
        sources=manifest.training_data.sources,
        mode=manifest.preprocessing.mode if manifest.training_data.dataset == FOLDER else None,
        validation_fraction=float(recipe["validation_fraction"]),
        seed=int(recipe["seed"]),
    )
    settings = asked.settings(manifest.default_effort)
    inference = prepare_inference(loaded, cache=default_cache(), threads=threads)
    return Subject(
        name=name,
        kind="e-abs",
        origin=origin,
        identity={
            "version": manifest.version,
            "digest": loaded.digest,
            "weights": manifest.files[WEIGHTS_FILE],
            "recipe": dict(recipe),
            "candidates": manifest.candidates,
        }
        | _described(settings, asked),
        predict=_served(inference, settings),
        logits=_seen(inference, settings, asked),
        device=inference.device,
    )


def _generative(folder: Path, asked: Asked, candidates: int, device: torch.device, threads: int) -> Subject:
    run = GenerativeRun(folder)
    description = run.description()
    settings = run.settings()
    if not isinstance(settings, AdamSettings):
        settings = asked.settings("standard")
    elif asked.effort is not None or asked.seen is not None:
        raise ValueError(
            f"effort, seen: expected none for {folder}, of kind {description.recipe.kind}, which has no efforts"
        )
    # Read once: a training that goes on may replace the checkpoint meanwhile.
    model = run.model()
    identity = {
        "weights": weights_digest(model),
        "recipe": asdict(description.recipe),
        "candidates": candidates,
    }
    beta = description.recipe.objective.beta
    inference = LatentInference.prepare(model.to(device), beta=beta, seed=0, candidates=candidates, threads=threads)
    return Subject(
        name=_name(folder),
        kind=description.recipe.kind,
        origin=_origin(description),
        identity=identity | _described(settings, asked),
        predict=_served(inference, settings),
        logits=_seen(inference, settings, asked),
        device=inference.device,
    )


def _served(inference: LatentInference, settings: InferenceSettings) -> Callable[[Tensor], Tensor]:
    return lambda images: inference.infer(images, settings).predictions.cpu()


def _seen(inference: LatentInference, settings: InferenceSettings, asked: Asked) -> nn.Module:
    """What attacks see where answers are given by `settings`."""
    if asked.seen == "unrolled":
        return UnrolledLogits(inference)
    if asked.seen is not None:
        return LatentLogits(inference, EFFORTS[asked.seen])
    if asked.expectation is not None and isinstance(settings, AdamSettings):
        return expected_latent_logits(inference, settings, samples=asked.expectation, seed=inference.seed)
    return LatentLogits(inference, settings)


def _described(settings: InferenceSettings, asked: Asked) -> dict[str, str]:
    """How answers and attacks are named in reports."""
    served = name_of(settings)
    seen: str = asked.seen or served
    if asked.expectation is not None:
        seen += f", {asked.expectation} samples of its noise"
    return {"served": f"latent inference, {served}", "attacked": f"latent inference, {seen}"}


def _discriminative(folder: Path, device: torch.device) -> Subject:
    run = DiscriminativeRun(folder)
    description, network = run.description(), run.classifier().to(device)

    @torch.no_grad()
    def predict(images: Tensor) -> Tensor:
        logits: Tensor = network(images.to(device))
        return logits.argmax(1).cpu()

    identity = {
        "weights": weights_digest(network),
        "recipe": asdict(description.recipe),
        "served": "the network",
        "attacked": "the network",
    }
    return Subject(
        name=_name(folder),
        kind=description.recipe.kind,
        origin=_origin(description),
        identity=identity,
        predict=predict,
        logits=network,
        device=device,
    )


def _origin(description: RunDescription[Any]) -> Origin:
    recipe = description.recipe
    return Origin(
        dataset=description.dataset,
        sources=description.sources,
        mode=None if description.folder is None else description.folder.mode,
        validation_fraction=recipe.validation_fraction,
        seed=recipe.seed,
    )


def _name(folder: Path) -> str:
    return folder.resolve().name
