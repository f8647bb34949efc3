"""A whole data set in one safetensors file, with the hashes of what is in it and of what it was made of."""

import hashlib
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from model_store.disk import replace_file
from training.datasets.dataset import Dataset, DatasetError, Split
from training.datasets.verification import Verification

_KEY = "dataset"


class Source(BaseModel):
    """A file that the data set was read from: its hash, and how it compares with the published one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    verification: Verification


class Description(BaseModel):
    """What the file says of its tensors: `<split>_images`, `<split>_labels`, and `<split>_objects` where known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["eabs-dataset-1"] = "eabs-dataset-1"
    name: str
    classes: tuple[str, ...]
    splits: dict[Literal["train", "test"], int]
    sources: dict[str, Source]
    sha256: dict[str, str]


def write_prepared(dataset: Dataset, verifications: dict[str, Verification], out: Path) -> Description:
    """Writes the data set into one file, at once; the same data set gives the same bytes.

    Args:
        dataset: what is written.
        verifications: of each of its sources, by name.
        out: the file, which is replaced if there is one.

    Raises:
        DatasetError: the file cannot be written.
    """
    tensors = {
        f"{part}_{kind}": getattr(split, kind).contiguous()
        for part, split in (("train", dataset.train), ("test", dataset.test))
        for kind in ("images", "labels", "objects")
        if getattr(split, kind) is not None
    }
    description = Description(
        name=dataset.name,
        classes=dataset.labels,
        splits={"train": len(dataset.train), "test": len(dataset.test)},
        sources={
            name: Source(sha256=sha256, verification=verifications[name]) for name, sha256 in dataset.sources.items()
        },
        sha256={name: _sha256(tensor) for name, tensor in tensors.items()},
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # One key of metadata: safetensors writes several in any order.
        replace_file(out, save(tensors, {_KEY: description.model_dump_json()}))
    except OSError as error:
        raise DatasetError(f"{out}: cannot be written: {error}") from error
    return description


def read_prepared(path: Path, name: str) -> Dataset:
    """Reads the data set `name` from a file of `write_prepared`.

    Raises:
        DatasetError: the file is none of these, is damaged, or holds another data set.
    """
    try:
        with safe_open(path, "pt") as file:
            description = Description.model_validate_json((file.metadata() or {}).get(_KEY, ""))
            # Copies: the file could change below a tensor that is still mapped to it.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValidationError, OSError) as error:
        raise DatasetError(f"{path}: expected a folder, or a file that `eabs data prepare` made: {error}") from error
    if description.name != name:
        raise DatasetError(f"{path}: expected the data set {name}, got {description.name}")
    if (found := {key: _sha256(tensor) for key, tensor in tensors.items()}) != description.sha256:
        damaged = [key for key in description.sha256 | found if found.get(key) != description.sha256.get(key)]
        raise DatasetError(f"{path}: damaged: {', '.join(damaged)} differ from what was written; prepare it again")
    train, test = (_split(path, tensors, part, len(description.classes)) for part in ("train", "test"))
    sources = {source: found.sha256 for source, found in description.sources.items()}
    return Dataset(name, description.classes, train, test, sources)


def _split(path: Path, tensors: dict[str, Tensor], part: str, classes: int) -> Split:
    images, labels = tensors.get(f"{part}_images"), tensors.get(f"{part}_labels")
    if images is None or labels is None:
        raise DatasetError(f"{path}: expected {part}_images and {part}_labels, got {', '.join(tensors) or 'nothing'}")
    if images.ndim != 4 or images.dtype != torch.uint8 or labels.shape != images.shape[:1] or not len(labels):
        raise DatasetError(
            f"{path}: expected {part}_images (N, C, H, W) uint8 and {part}_labels (N,), "
            f"got {tuple(images.shape)} {images.dtype} and {tuple(labels.shape)}"
        )
    if labels.dtype != torch.int64 or labels.min() < 0 or labels.max() >= classes:
        raise DatasetError(f"{path}: expected {part}_labels of int64 from 0 to {classes - 1}, got others")
    objects = tensors.get(f"{part}_objects")
    if objects is not None and (objects.dtype != torch.int64 or objects.shape != labels.shape):
        raise DatasetError(f"{path}: expected {part}_objects (N,) int64, got {tuple(objects.shape)} {objects.dtype}")
    return Split(images, labels, objects)


def _sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.numpy().data.cast("B")).hexdigest()
