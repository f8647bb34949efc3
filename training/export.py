"""From a training run to a published model: calibration on the validation split, and the manifest's draft."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.candidates import DEFAULT_CANDIDATES
from eabs.cores import physical_cores
from eabs.inference import LatentInference
from eabs.networks import EABS
from eabs.prototypes import PrototypeBank
from eabs.settings import EFFORTS, Effort
from model_store import (
    ArchitectureSpec,
    Calibration,
    ManifestDraft,
    Preprocessing,
    Prototypes,
    ScoreCalibration,
    TrainingData,
    prototypes_digest,
    weights_digest,
)
from training.certified_accuracy import measure_bank
from training.datasets import Dataset, Split, to_unit_range
from training.datasets.terms import Terms, terms_of
from training.evaluation import latent_scores
from training.evaluation_files import Measured, read_evaluations
from training.generative_run import GenerativeRun
from training.prototypes.folder import PrototypeFolder
from training.prototypes.recipe import PrototypeRecipe

REJECT_BELOW = 0.01
"""The typicality below which an image counts as out of distribution, where nothing else is wanted."""

_SCORE_DECIMALS = 3
_BATCH = 64


def draft_of_run(
    run: Path,
    dataset: Dataset,
    *,
    name: str,
    effort: Effort = "standard",
    calibration_images: int = 2000,
    reject_below: float = REJECT_BELOW,
    seed: int = 0,
    device: torch.device,
    with_prototypes: bool = False,
    terms: Terms | None = None,
    evaluations: Sequence[Path] = (),
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[EABS, PrototypeBank | None, ManifestDraft]:
    """The networks of a run's newest checkpoint, its prototype bank if wanted, and the draft of their manifest.

    Args:
        run: a folder that the training loop made.
        dataset: the set that the run trained on, for its validation split.
        name: what the model is to be called.
        effort: the default effort, with which the calibration is measured.
        calibration_images: how many images of the validation split calibrate it, at most.
        reject_below: the typicality below which an image counts as out of distribution.
        seed: of the served model's candidates and noise.
        device: where the calibration runs.
        with_prototypes: whether to ship the bank that `eabs prototypes train` made.
        terms: under which the images may be used; an official set's are known.
        evaluations: JSON files that `eabs evaluate` made of these weights.
        advance: told how many images are done.

    Raises:
        RunError: the run does not train e-abs, has no checkpoint, was trained on other files than `dataset`'s, or has
            no bank where one is wanted.
        EvaluationError: one of `evaluations` is none, or is of another model.
        ValueError: a class has too few calibration images for any image of it to have a typicality below
            `reject_below`.
    """
    folder = GenerativeRun(run)
    description, checkpoint = folder.description(), folder.load()
    _, held_out = folder.splits(dataset)
    bank, bank_recipe = PrototypeFolder(run).load() if with_prototypes else (None, None)
    model = folder.e_abs().to(device)
    measured = Measured(description.dataset, weights_digest(model), None if bank is None else prototypes_digest(bank))
    found = read_evaluations(evaluations, measured)
    terms = terms_of(description.dataset, description.sources) or terms or Terms()
    recipe = description.recipe
    split = Split(held_out.images[:calibration_images], held_out.labels[:calibration_images])
    inference = LatentInference.prepare(model, beta=recipe.objective.beta, seed=seed, threads=physical_cores())
    scores = latent_scores(inference, split.images, EFFORTS[effort], advance)
    accuracy = (scores.argmin(1) == split.labels).float().mean().item()
    metrics = {f"validation_accuracy_{effort}": accuracy, "validation_images": float(len(split))}
    architecture = description.architecture
    channels, size, _ = architecture.image
    flat_recipe = recipe.flat() | {"steps": checkpoint.step if checkpoint else 0}
    draft = ManifestDraft(
        name=name,
        architecture=ArchitectureSpec.from_architecture(architecture),
        classes=description.labels,
        preprocessing=Preprocessing(mode="L" if channels == 1 else "RGB", size=size),
        default_effort=effort,
        candidates=DEFAULT_CANDIDATES,
        beta=recipe.objective.beta,
        seed=seed,
        training_data=TrainingData(
            dataset=description.dataset,
            splits={"train": description.train_images, "validation": description.validation_images},
            sources=description.sources,
            licence=terms.licence,
            citation=terms.citation,
        ),
        training_recipe=flat_recipe,
        metrics=metrics,
        calibration=Calibration(
            effort=effort, **calibrate(scores, split.labels, reject_below=reject_below).model_dump()
        ),
        prototypes=None
        if bank is None or bank_recipe is None
        else _describe(bank, bank_recipe, held_out, split, reject_below=reject_below),
        evaluations=found,
    )
    return model, bank, draft


def _describe(
    bank: PrototypeBank, recipe: PrototypeRecipe, held_out: Split, calibrating: Split, *, reject_below: float
) -> Prototypes:
    """A bank for a manifest: measured on all of the held-out images, calibrated with some of them."""
    found = measure_bank(bank, held_out)
    scores = torch.cat([bank.classify(to_unit_range(part)).scores.cpu() for part in calibrating.images.split(_BATCH)])
    flat = asdict(recipe)
    deformation = {f"deformation_{name}": value for name, value in flat.pop("deformation").items()}
    metrics = {"validation_images": float(found.images), "validation_accuracy": found.clean}
    metrics |= {f"validation_certified_{radius:g}": share for radius, share in found.certified.items()}
    return Prototypes(
        images=len(bank),
        recipe=flat | deformation,
        metrics=metrics,
        calibration=calibrate(scores.float(), calibrating.labels, reject_below=reject_below),
    )


def calibrate(scores: Tensor, labels: Tensor, *, reject_below: float) -> ScoreCalibration:
    """What scores mean, from scores (N, K) of images with labels (N,).

    The temperature minimises the cross-entropy of softmax(-l / temperature) (Guo et al., On Calibration of Modern
    Neural Networks, 2017); the scores of each class's own images make `typicality` a conformal p-value, and
    `reject_below` the share of such images that counts as out of distribution, at most.

    Raises:
        ValueError: with so few images of a class, none could have a typicality below `reject_below`.
    """
    own = scores.gather(1, labels[:, None]).squeeze(1)
    by_class = [own[labels == k].sort().values.tolist() for k in range(scores.shape[1])]
    return ScoreCalibration(
        temperature=_temperature(scores, labels),
        reject_below=reject_below,
        scores=[[round(score, _SCORE_DECIMALS) for score in known] for known in by_class],
    )


def _temperature(scores: Tensor, labels: Tensor) -> float:
    # The loss has one minimum in log temperature, so a grid as fine as the answer's use is enough.
    candidates = torch.logspace(-1, 3, 400, dtype=torch.float64)
    losses = torch.stack([F.cross_entropy(-scores.double() / t, labels) for t in candidates])
    return candidates[losses.argmin()].item()
