"""A training run on disk, whatever is trained: its description, its newest checkpoint, its logs.

A checkpoint is one safetensors file, replaced atomically, so that a run killed at any moment resumes from the last
whole one. Nothing is pickled.
"""

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from eabs.architecture import Architecture
from training import checkpoint_file
from training.architectures import ARCHITECTURES
from training.datasets import CLASS_LABELS, Dataset, FolderOptions, Mode, Split, holdout, load_dataset
from training.datasets.dataset import LIKE
from training.run_recipe import RunRecipe

_DESCRIPTION = "run.json"
_CHECKPOINT = "checkpoint.safetensors"
_LOG = "log.csv"


class RunError(Exception):
    """A run folder does not hold what was asked of it."""


R = TypeVar("R", bound=RunRecipe)


@dataclass(frozen=True)
class FolderClasses:
    """What a folder of class folders turned out to hold; an official set is known by its name."""

    labels: tuple[str, ...]
    mode: Mode


@dataclass(frozen=True)
class RunDescription(Generic[R]):
    """What a run trains, and on what: enough to start, resume and publish it. `folder` is None for official sets."""

    dataset: str
    recipe: R
    sources: dict[str, str]
    train_images: int
    validation_images: int
    folder: FolderClasses | None = None

    @classmethod
    def of(cls, dataset: Dataset, recipe: R, *, train_images: int, validation_images: int) -> "RunDescription[R]":
        """What a run with this recipe trains on this data set."""
        folder = None if dataset.mode is None else FolderClasses(dataset.labels, dataset.mode)
        return cls(dataset.name, recipe, dataset.sources, train_images, validation_images, folder)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the K classes are called."""
        return CLASS_LABELS[self.dataset] if self.folder is None else self.folder.labels

    @property
    def architecture(self) -> Architecture:
        """The networks that are trained."""
        like = self.dataset if self.folder is None else LIKE[self.folder.mode]
        return self.recipe.adapt(ARCHITECTURES[like].with_classes(len(self.labels)))


@dataclass(frozen=True)
class Checkpoint:
    """Training state after `step` updates: named tensors of the networks and of their optimisers."""

    step: int
    tensors: dict[str, Tensor]
    metrics: dict[str, float]

    def section(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names start with `prefix.`, without it."""
        return {k.removeprefix(f"{prefix}."): v for k, v in self.tensors.items() if k.startswith(f"{prefix}.")}


class RunFolder(ABC, Generic[R]):
    """Reads and writes one run's folder; what its recipe and its networks are, a subclass for its kinds knows."""

    kinds: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def _recipe(self, raw: dict[str, Any]) -> R:
        """The recipe from its JSON; raises TypeError, KeyError or ValueError where it is none."""

    def create(self, description: RunDescription[R]) -> None:
        """Starts the run, or joins it where the folder holds one already.

        Raises:
            RunError: the folder holds a run of something else.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self._file(_DESCRIPTION).exists():
            if self.description() != description:
                raise RunError(
                    f"{self.path} holds a run with another data set or recipe: resume it with the same options "
                    "or choose another folder"
                )
            return
        written = {"kind": description.recipe.kind, **asdict(description)}
        _replace(self._file(_DESCRIPTION), json.dumps(written, indent=2) + "\n")

    def description(self) -> RunDescription[R]:
        """What the run trains.

        Raises:
            RunError: this is not a run folder, or one of another kind.
        """
        kind = kind_of_run(self.path)
        if kind not in self.kinds:
            raise RunError(f"{self.path}: expected a run that trains {' or '.join(self.kinds)}, got one of {kind}")
        raw = _read(self.path)
        try:
            del raw["kind"]
            recipe = self._recipe(raw.pop("recipe"))
            folder = raw.pop("folder", None)
            classes = folder and FolderClasses(tuple(folder["labels"]), folder["mode"])
            return RunDescription(**raw, recipe=recipe, folder=classes)
        except (ValueError, TypeError, KeyError) as error:
            raise _not_a_run(self.path, error) from error

    def dataset(self, data: Path) -> Dataset:
        """The data set that the run trains on, read from the folder `data`.

        Raises:
            RunError: this is not a run folder.
            DatasetError: the data set is not in `data`.
        """
        description = self.description()
        mode = None if description.folder is None else description.folder.mode
        return load_dataset(description.dataset, data, FolderOptions(mode, description.recipe.seed))

    def splits(self, dataset: Dataset) -> tuple[Split, Split]:
        """What of `dataset` the run trains on, and what it holds out.

        Raises:
            RunError: the run trains on other files than `dataset`'s, or this is not a run folder.
        """
        description = self.description()
        if description.sources != dataset.sources:
            raise RunError(
                f"{self.path} was trained on other files: expected {description.sources}, got {dataset.sources}"
            )
        recipe = description.recipe
        return holdout(dataset.train, recipe.validation_fraction, recipe.seed)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replaces the newest checkpoint, atomically."""
        metadata = {"step": str(checkpoint.step), "metrics": json.dumps(checkpoint.metrics)}
        checkpoint_file.save(self._file(_CHECKPOINT), checkpoint.tensors, metadata)

    def load(self) -> Checkpoint | None:
        """The newest checkpoint, on the CPU; None before the first."""
        try:
            tensors, metadata = checkpoint_file.load(self._file(_CHECKPOINT))
        except FileNotFoundError:
            return None
        return Checkpoint(int(metadata["step"]), tensors, json.loads(metadata["metrics"]))

    def state(self) -> Checkpoint:
        """The newest checkpoint, on the CPU.

        Raises:
            RunError: there is none yet.
        """
        checkpoint = self.load()
        if checkpoint is None:
            raise RunError(f"{self.path} has no checkpoint yet: train it first")
        return checkpoint

    def log(self, row: Mapping[str, Any]) -> None:
        """Appends a row to the CSV log; its first row names the columns."""
        path = self._file(_LOG)
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)

    def forget_after(self, step: int) -> None:
        """Drops the log's rows past a step: a resumed run writes them again."""
        path = self._file(_LOG)
        if not path.exists():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            # A row cut short by a kill has missing values and is dropped with the rest.
            rows = [row for row in reader if None not in row.values() and int(row["step"]) <= step]
        lines = [",".join(columns), *(",".join(row[column] for column in columns) for row in rows)]
        _replace(path, "\n".join(lines) + "\n")

    def _file(self, name: str) -> Path:
        return self.path / name


def kind_of_run(path: Path) -> str:
    """The kind of model that the run in a folder trains.

    Raises:
        RunError: this is not a run folder.
    """
    return str(_read(path)["kind"])


def tensors_of(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict's tensors under `prefix.`, detached copies on the CPU."""
    return {f"{prefix}.{name}": tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's per-parameter state, flattened to `prefix.<parameter>.<name>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{parameter}.{name}": value.detach().to("cpu", copy=True)
        for parameter, values in state.items()
        for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts the state that `optimizer_tensors` flattened back."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        parameter, name = key.split(".")
        state.setdefault(int(parameter), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _read(path: Path) -> dict[str, Any]:
    """What `run.json` says. One without a kind is of an E-ABS model, the first that there were."""
    try:
        raw = json.loads((path / _DESCRIPTION).read_text())
        return {"kind": "e-abs", **raw}
    except (OSError, ValueError, TypeError) as error:
        raise _not_a_run(path, error) from error


def _not_a_run(path: Path, error: Exception) -> RunError:
    return RunError(f"{path}: expected a folder that `eabs train` made: {error}")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)
