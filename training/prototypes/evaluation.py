"""What a bank is worth: accuracy, and accuracy certified at given radii."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.certificates.finite_bank import certify_finite_bank
from eabs.cores import physical_cores
from eabs.prototypes import PrototypeBank
from eabs.workers import Workers
from training.datasets import Split, to_unit_range

RADII = (0.25, 0.5, 1.0, 1.5, 1.58)
"""L2 over [0, 1] pixels; 1.58 is where certified accuracies on MNIST are compared in the literature."""

_BATCH = 8


@dataclass(frozen=True)
class BankMeasures:
    """Of `images`, the share that is classified as labelled, and the shares that are certified so at each of `RADII`.

    `median_radius` is over all images, 0 where the label is not the prediction; `seconds` it took, in all.
    """

    images: int
    clean: float
    certified: dict[float, float]
    median_radius: float
    seconds: float


def measure_bank(bank: PrototypeBank, split: Split, advance: Callable[[int], None] = lambda _: None) -> BankMeasures:
    """Certifies every image of a split; `advance` hears of every batch done."""

    def certify(part: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = part
        found = certify_finite_bank(bank, to_unit_range(images))
        advance(len(labels))
        # Below zero where the prediction is wrong, so that no radius counts.
        return found.radii.cpu().where(found.predictions.cpu() == labels, -1.0)

    started = time.perf_counter()
    workers = Workers(physical_cores(), bank.device)
    parts = zip(split.images.split(_BATCH), split.labels.split(_BATCH), strict=True)
    radii = torch.cat(workers.map(certify, parts))
    return BankMeasures(
        images=len(split),
        clean=(radii >= 0).double().mean().item(),
        certified={radius: (radii >= radius).double().mean().item() for radius in RADII},
        median_radius=radii.clamp_min(0).median().item(),
        seconds=time.perf_counter() - started,
    )
