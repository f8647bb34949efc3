"""Subjects from what is published and from what was trained."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from eabs.candidates import DEFAULT_CANDIDATES
from eabs.cores import physical_cores
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, AdamSettings, Effort, InferenceSettings
from model_store import ModelStore, default_cache, prepare_inference, weights_digest
from model_store.manifest import WEIGHTS_FILE
from training.attacks.classifiers import LatentLogits
from training.attacks.unrolled import UnrolledLogits
from training.datasets import FOLDER
from training.discriminative.run import DiscriminativeRun
from training.generative_run import GenerativeRun
from training.robustness.origin import Origin
from training.robustness.subject import Subject
from training.run_folder import RunDescription, kind_of_run

Seen = Literal["fast", "standard", "thorough", "unrolled"]


def load_subject(
    reference: str,
    *,
    store: str | Path,
    effort: Effort | None = None,
    seen: Seen | None = None,
    candidates: int = DEFAULT_CANDIDATES,
    device: torch.device,
    threads: int | None = None,
) -> Subject:
    """A classifier under test.

    Args:
        reference: a run folder, or a published model as `name`, `name@version` or `name@alias`.
        store: where published models are.
        effort: with which a generative model answers; what it is served with where nothing is asked for, if None.
        seen: the effort of what attacks see of a generative model, by the adaptive gradient, that of the answers if
            None; or `unrolled`, effort `fast` by the gradient of the steps themselves.
        candidates: that the latent inference of a run folder starts from; what is published says how many it has.
        device: where it computes.
        threads: on the CPU, how many images to work on at once; as many as there are cores, if None.

    Raises:
        RunError: the folder holds no trained classifier.
        ModelStoreError: there is no such published model.
        ValueError: an effort for a classifier that has none.
    """
    folder = Path(reference)
    threads = threads or physical_cores()
    # A folder by a model's name may lie here by chance; one by a path is meant.
    if not (folder / "run.json").exists() and not (os.sep in reference and folder.is_dir()):
        return _published(reference, store, effort, seen, device, threads)
    if kind_of_run(folder) in DiscriminativeRun.kinds:
        if effort is not None:
            raise ValueError(f"effort: expected none for {folder}, whose network answers in one pass, got {effort}")
        return _discriminative(folder, device)
    return _generative(folder, effort, seen, candidates, device, threads)


def _published(
    reference: str, store: str | Path, effort: Effort | None, seen: Seen | None, device: torch.device, threads: int
) -> Subject:
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
    served = effort or manifest.default_effort
    seen = seen or served
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
            "served": f"latent inference, {served}",
            "attacked": f"latent inference, {seen}",
        },
        predict=_served(inference, EFFORTS[served]),
        logits=UnrolledLogits(inference) if seen == "unrolled" else LatentLogits(inference, EFFORTS[seen]),
        device=inference.device,
    )


def _generative(
    folder: Path, effort: Effort | None, seen: Seen | None, candidates: int, device: torch.device, threads: int
) -> Subject:
    run = GenerativeRun(folder)
    description = run.description()
    served = effort or "standard"
    settings = run.settings(served)
    if isinstance(settings, AdamSettings) and (effort is not None or seen is not None):
        raise ValueError(
            f"effort, seen: expected none for {folder}, of kind {description.recipe.kind}, which has no efforts"
        )
    seen = seen or served
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
        identity=identity | {"served": _described(settings, served), "attacked": _described(settings, seen)},
        predict=_served(inference, settings),
        logits=UnrolledLogits(inference) if seen == "unrolled" else LatentLogits(inference, run.settings(seen)),
        device=inference.device,
    )


def _served(inference: LatentInference, settings: InferenceSettings) -> Callable[[Tensor], Tensor]:
    return lambda images: inference.infer(images, settings).predictions.cpu()


def _described(settings: InferenceSettings, effort: Seen) -> str:
    """How latent inference is named in reports."""
    return "latent inference, adam" if isinstance(settings, AdamSettings) else f"latent inference, {effort}"


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
