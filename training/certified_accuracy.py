"""What a certificate is worth: accuracy, and accuracy certified at given radii."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from eabs.certificates.finite_bank import certify_finite_bank
from eabs.certificates.smoothing import ABSTAIN
from eabs.cores import physical_cores
from eabs.prototypes import PrototypeBank
from eabs.workers import Workers
from training.datasets import Split, to_unit_range

RADII = (0.25, 0.5, 1.0, 1.5, 1.58)
"""L2 over [0, 1] pixels; 1.58 is where certified accuracies on MNIST are compared in the literature."""

Certify = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Images (B, C, H, W) float32 in [0, 1] to predictions (B,) int64, ABSTAIN where none is made, and radii (B,), L2."""

_BATCH = 32
_SHARE = 8  # images that one core certifies at once


@dataclass(frozen=True)
class CertifiedAccuracy:
    """Of `images`, the share that is classified as labelled, and the shares that are certified so at each of `RADII`.

    `clean` and `certified` are of the certified classifier's predictions; `abstained` is the share that has none.
    `median_radius` is over all images, 0 where the label is not the prediction; `seconds` it took, in all.
    """

    images: int
    clean: float
    certified: dict[float, float]
    abstained: float
    median_radius: float
    seconds: float


@torch.no_grad()
def measure_certified_accuracy(
    certify: Certify, split: Split, *, batch: int = _BATCH, advance: Callable[[int], None] = lambda _: None
) -> CertifiedAccuracy:
    """Certifies every image of a split.

    An image counts at a radius if its certified prediction is its label and its own radius is at least that.

    Args:
        certify: the certificate; its answers may be on any device.
        split: the images and what they show.
        batch: how many images are certified at once.
        advance: told how many more images are done.

    Raises:
        ValueError: there are no images.
    """
    if len(split) == 0:
        raise ValueError("split: expected at least one image")
    started = time.perf_counter()
    predictions, radii = [], []
    for images in split.images.split(batch):
        answers, found = certify(to_unit_range(images))
        predictions.append(answers.cpu())
        radii.append(found.double().cpu())
        advance(len(images))
    predicted = torch.cat(predictions)
    # Below zero where the prediction is wrong, so that no radius counts.
    right = torch.cat(radii).where(predicted == split.labels, -1.0)
    return CertifiedAccuracy(
        images=len(split),
        clean=(right >= 0).double().mean().item(),
        certified={radius: (right >= radius).double().mean().item() for radius in RADII},
        abstained=(predicted == ABSTAIN).double().mean().item(),
        median_radius=right.clamp_min(0).median().item(),
        seconds=time.perf_counter() - started,
    )


def measure_bank(
    bank: PrototypeBank, split: Split, advance: Callable[[int], None] = lambda _: None
) -> CertifiedAccuracy:
    """The `finite-bank` certificate's accuracy, on all cores. As `measure_certified_accuracy` otherwise."""
    workers = Workers(physical_cores(), bank.device)

    def certify(images: Tensor) -> tuple[Tensor, Tensor]:
        found = workers.map(partial(certify_finite_bank, bank), images.split(_SHARE))
        return torch.cat([part.predictions for part in found]), torch.cat([part.radii for part in found])

    # Several shares a core, so that no core waits long for the slowest image.
    return measure_certified_accuracy(certify, split, batch=4 * _SHARE * workers.count, advance=advance)
