"""Subjects from what is published and from what was trained."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eabs.candidates import DEFAULT_CANDIDATES
from eabs.cores import physical_cores
from eabs.inference import LatentInference
from eabs.settings import EFFORTS, Effort
from model_store import ModelStore, default_cache, prepare_inference, weights_digest
from training.attacks.classifiers import LatentLogits
from training.baselines.folder import BaselineFolder
from training.datasets import FOLDER
from training.generative_run import GenerativeRun
from training.robustness.origin import Origin
from training.robustness.subject import Subject

SEEN: Effort = "fast"
"""The effort of the latent inference that attacks see, which they ask many hundred times for each image."""


def load_subject(
    reference: str,
    *,
    store: str | Path,
    effort: Effort | None = None,
    seen: Effort = SEEN,
    candidates: int = DEFAULT_CANDIDATES,
    device: torch.device,
    threads: int | None = None,
) -> Subject:
    """A classifier under test.

    Args:
        reference: a run folder, or a published model as `name`, `name@version` or `name@alias`. A folder goes first.
        store: where published models are.
        effort: with which a generative model answers; what it is served with where nothing is asked for, if None.
        seen: the effort of what attacks see of a generative model.
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
    if not folder.is_dir():
        return _published(reference, store, effort, seen, device, threads)
    if (folder / "baseline.json").exists():
        if effort is not None:
            raise ValueError(f"effort: expected none for {folder}, whose network answers in one pass, got {effort}")
        return _discriminative(folder, device)
    return _generative(folder, effort or "standard", seen, candidates, device, threads)


def _published(
    reference: str, store: str | Path, effort: Effort | None, seen: Effort, device: torch.device, threads: int
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
    identity = {
        "version": manifest.version,
        "digest": loaded.digest,
        "weights": weights_digest(loaded.model),
        "recipe": dict(recipe),
        "candidates": manifest.candidates,
    }
    inference = prepare_inference(loaded, cache=default_cache(), threads=threads)
    return _by_latent_inference(name, origin, identity, inference, effort or manifest.default_effort, seen)


def _generative(
    folder: Path, effort: Effort, seen: Effort, candidates: int, device: torch.device, threads: int
) -> Subject:
    run = GenerativeRun(folder)
    description, model = run.description(), run.model().to(device)
    recipe = description.recipe
    origin = Origin(
        dataset=description.dataset,
        sources=description.sources,
        mode=None if description.folder is None else description.folder.mode,
        validation_fraction=recipe.validation_fraction,
        seed=recipe.seed,
    )
    inference = LatentInference.prepare(
        model, beta=recipe.objective.beta, seed=0, candidates=candidates, threads=threads
    )
    identity = {"weights": weights_digest(model), "recipe": asdict(recipe), "candidates": candidates}
    return _by_latent_inference(folder.resolve().name, origin, identity, inference, effort, seen)


def _by_latent_inference(
    name: str, origin: Origin, identity: dict[str, Any], inference: LatentInference, effort: Effort, seen: Effort
) -> Subject:
    def predict(images: Tensor) -> Tensor:
        return inference.infer(images, EFFORTS[effort]).predictions.cpu()

    return Subject(
        name=name,
        kind="e-abs",
        origin=origin,
        identity=identity | {"served": f"latent inference, {effort}", "attacked": f"latent inference, {seen}"},
        predict=predict,
        logits=LatentLogits(inference, EFFORTS[seen]),
        device=inference.device,
    )


def _discriminative(folder: Path, device: torch.device) -> Subject:
    network, description = BaselineFolder(folder).load()
    network.to(device)
    recipe = description.recipe

    @torch.no_grad()
    def predict(images: Tensor) -> Tensor:
        logits: Tensor = network(images.to(device))
        return logits.argmax(1).cpu()

    return Subject(
        name=folder.resolve().name,
        kind="cnn",
        origin=Origin(description.dataset, description.sources, None, recipe.validation_fraction, recipe.seed),
        identity={
            "weights": weights_digest(network),
            "recipe": asdict(recipe),
            "served": "the network",
            "attacked": "the network",
        },
        predict=predict,
        logits=network,
        device=device,
    )
