"""Who decides whether an attack succeeded: the answers that users get, at images that are checked to be allowed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.attacks.attack import Attack
from training.attacks.ball import Ball
from training.robustness.subject import Subject

NOT_ATTACKED = -1


@dataclass(frozen=True)
class Outcome:
    """What became of n images; all tensors are on the CPU.

    - `predictions` (n,) int64: what users would be answered, `NOT_ATTACKED` for an image that was not attacked.
    - `seen` (n,) int64: the answer by the logits that the attack saw, likewise.
    - `distances` (n,) float64: how far the image was moved, NaN for one that was not attacked.
    - `images` (n, C, H, W) float32: the attacked images, and as they were those that were not attacked.
    - `seconds` that the attack took, and the images that it had classified for it, `inferences`.
    """

    predictions: Tensor
    seen: Tensor
    distances: Tensor
    images: Tensor
    seconds: float
    inferences: int


def attack_images(
    subject: Subject, attack: Attack, images: Tensor, labels: Tensor, ball: Ball, standing: Tensor
) -> Outcome:
    """Attacks those of the images that still stand, and judges what comes of it.

    Whatever an attack promises: an attacked image is drawn into the ball and into [0, 1], measured in float64, and
    one that is not finite is replaced by its original, before anyone is asked about it.

    Args:
        subject: the classifier.
        attack: which.
        images: (n, C, H, W) float32 in [0, 1], on the CPU.
        labels: (n,) int64, the right answers.
        ball: around the images.
        standing: (n,) bool, which to attack.

    Raises:
        ValueError: the attack returns images of another shape.
    """
    found = Outcome(
        predictions=torch.full_like(labels, NOT_ATTACKED),
        seen=torch.full_like(labels, NOT_ATTACKED),
        distances=torch.full_like(ball.radii, torch.nan),
        images=images.clone(),
        seconds=0.0,
        inferences=0,
    )
    if not standing.any():
        return found
    originals, targets, inside = images[standing], labels[standing], ball.select(standing)
    device = subject.device
    began = time.perf_counter()
    with _counted(subject.logits) as count:
        attacked = attack(
            subject.logits, originals.to(device), targets.to(device), Ball(ball.norm, inside.radii.to(device))
        )
        attacked = attacked.detach().cpu()
    seconds = time.perf_counter() - began
    if attacked.shape != originals.shape:
        raise ValueError(f"attack: expected images {tuple(originals.shape)}, got {tuple(attacked.shape)}")
    allowed = inside.confine(originals, attacked)
    found.predictions[standing], found.seen[standing] = answers(subject, allowed)
    found.distances[standing] = inside.distances(originals, allowed)
    found.images[standing] = allowed
    return Outcome(found.predictions, found.seen, found.distances, found.images, seconds, count.images)


@torch.no_grad()
def answers(subject: Subject, images: Tensor) -> tuple[Tensor, Tensor]:
    """What users are answered at images (n, C, H, W), and what the logits say that attacks see: (n,) int64 each."""
    return subject.predict(images), subject.logits(images.to(subject.device)).argmax(1).cpu()


class _Count:
    images = 0


@contextmanager
def _counted(classifier: nn.Module) -> Iterator[_Count]:
    """Counts the images that a module is asked about."""
    count = _Count()

    def add(_: nn.Module, inputs: tuple[Tensor, ...], __: object) -> None:
        count.images += len(inputs[0])

    hook = classifier.register_forward_hook(add)
    try:
        yield count
    finally:
        hook.remove()
