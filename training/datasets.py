"""Real data sets in their official formats.

A split's images stay bytes, as the files have them; batches become floats in [0, 1] on the training device.
"""

import gzip
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_IDX_UINT8 = 0x08
_IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CLASS_LABELS: dict[str, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


class DatasetError(Exception):
    """A data set's file is missing or is not what its format says."""


@dataclass(frozen=True)
class Split:
    """Images (N, C, H, W) uint8 and labels (N,) int64, in the order of the source."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "Split":
        """The images at `indices` (n,), in that order."""
        return Split(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> "Split":
        """The same split on another device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """One data set: its training and test splits, and the sha256 of every file that they were read from."""

    name: str
    labels: tuple[str, ...]
    train: Split
    test: Split
    sources: dict[str, str]


def load_dataset(name: str, folder: Path) -> Dataset:
    """Reads a data set from its official files.

    Args:
        name: `mnist` or `fashion_mnist`.
        folder: where the four IDX files lie, as `.gz` or unpacked.

    Raises:
        DatasetError: the set is not known, a file is missing, or a file is malformed.
    """
    if name not in CLASS_LABELS:
        raise DatasetError(f"unknown data set {name!r}: expected one of {', '.join(CLASS_LABELS)}")
    sources: dict[str, str] = {}
    splits = {}
    for split, (image_file, label_file) in _IDX_FILES.items():
        images = _read_idx(folder, image_file, sources, dimensions=3)
        labels = _read_idx(folder, label_file, sources, dimensions=1)
        if len(images) != len(labels):
            raise DatasetError(f"{split}: {len(images)} images but {len(labels)} labels")
        if labels.max() >= len(CLASS_LABELS[name]):
            raise DatasetError(f"{label_file}: expected labels below {len(CLASS_LABELS[name])}, got {labels.max()}")
        splits[split] = Split(torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels.astype(np.int64)))
    return Dataset(name, CLASS_LABELS[name], splits["train"], splits["test"], sources)


def _read_idx(folder: Path, name: str, sources: dict[str, str], *, dimensions: int) -> np.ndarray:
    packed, plain = folder / f"{name}.gz", folder / name
    path = packed if packed.exists() else plain
    if not path.exists():
        raise DatasetError(f"{packed}: no such file, nor {plain.name}; expected the official IDX files in {folder}")
    raw = path.read_bytes()
    sources[path.name] = "sha256:" + hashlib.sha256(raw).hexdigest()
    try:
        data = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise DatasetError(f"{path}: not a complete gzip file: {error}") from error
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, _IDX_UINT8, dimensions)):
        raise DatasetError(f"{path}: expected an IDX header of {dimensions} dimensions of bytes, got {data[:4].hex()}")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != np.prod(shape):
        raise DatasetError(f"{path}: expected {np.prod(shape)} bytes for shape {shape}, got {len(data) - header}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()


def holdout(split: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Splits at random into (kept, held out); the held-out part is `fraction` of it (section 4.1: 10 %)."""
    order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
    held_out = round(len(split) * fraction)
    return split.subset(order[held_out:]), split.subset(order[:held_out])


def to_unit_range(images: Tensor) -> Tensor:
    """Bytes 0..255 to float32 in [0, 1], of the same shape."""
    return images.float() / 255
