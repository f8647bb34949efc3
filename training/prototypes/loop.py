"""Training a bank for its certificate.

The certificate of `eabs/certificates/finite_bank.py` is differentiable in the prototypes. For each training image,
with p the nearest prototype of its own class and q the rival of the least bound, the loss is the hinge
max(0, margin - bound): below zero the image is misclassified, above it certified, and beyond the margin it is left
alone. The bound is the distance to where q beats p within [0, 1], as the certificate has it: what counts of a rival is
what an image could become of it. After Voracek & Hein, Provably Adversarially Robust Nearest Prototype Classifiers
(ICML 2022), who train free prototypes by s(p, q); here they start as the generators' re-creations, have offsets of
their own, keep to a few principal components, and are averaged.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from eabs.prototypes import PrototypeBank
from training import checkpoint_file
from training.datasets import Split, to_unit_range
from training.prototypes.recipe import PrototypeRecipe

_NEAREST = 1e-4  # squared distance of two prototypes below which their bound is not trusted
_RIVALS = 3  # those of the least s(p, q) that are compared within [0, 1]
_NEWTON_STEPS = 8
_MOST = 100.0  # a multiplier of a condition that hardly an image could meet


@dataclass(frozen=True)
class Epoch:
    """What an epoch of training came to: how many are done, the mean loss, the share of images classified right, as
    they were deformed."""

    done: int
    loss: float
    correct: float


def first_of_each_class(split: Split, count: int) -> Split:
    """The first `count` images of every class, class after class.

    Raises:
        ValueError: a class has fewer.
    """
    chosen = [(split.labels == k).nonzero().squeeze(1)[:count] for k in range(int(split.labels.max()) + 1)]
    for k, indices in enumerate(chosen):
        if len(indices) < count:
            raise ValueError(f"per_class: class {k} has {len(indices)} images, got {count}")
    return split.subset(torch.cat(chosen))


class PrototypeTrainer:
    """Trains a bank on one split, and goes on where an earlier call stopped if there is a checkpoint."""

    def __init__(self, split: Split, starts: Tensor, recipe: PrototypeRecipe, checkpoint: Path | None = None) -> None:
        """Args:
        split: the training images.
        starts: (K * per_class, C, H, W) in the order of the classes: where their prototypes start.
        recipe: how.
        checkpoint: a file that each epoch replaces.

        Raises:
            ValueError: there are not so many starts.
        """
        self.recipe = recipe
        self._split = split
        self._shape = tuple(split.images.shape[1:])
        self._classes = int(split.labels.max()) + 1
        self._basis = _principal_components(to_unit_range(split.images).flatten(1), recipe.components)
        self._checkpoint = checkpoint
        self._batch = min(recipe.batch, len(split))
        if len(starts) != self._classes * recipe.per_class:
            raise ValueError(f"starts: expected {recipe.per_class} of {self._classes} classes, got {len(starts)}")
        self._points = self._project(starts)
        self._offsets = torch.zeros(len(self._points))
        self._velocities = [torch.zeros_like(self._points), torch.zeros_like(self._offsets)]
        self._averages = [self._points.clone(), self._offsets.clone()]
        self.epochs_done = 0

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of the split."""
        return len(self._split) // self._batch

    def resume(self) -> int:
        """Goes on from the checkpoint, if it is of this recipe; returns how many epochs it has done."""
        if self._checkpoint is None or not self._checkpoint.exists():
            return 0
        tensors, metadata = checkpoint_file.load(self._checkpoint)
        if json.loads(metadata["recipe"]) != asdict(self.recipe):
            raise ValueError(f"{self._checkpoint} is of another recipe: {metadata['recipe']}")
        self._points, self._offsets = tensors["points"], tensors["offsets"]
        self._velocities = [tensors["velocity.points"], tensors["velocity.offsets"]]
        self._averages = [tensors["average.points"], tensors["average.offsets"]]
        self.epochs_done = int(metadata["epochs_done"])
        return self.epochs_done

    def run(self, report: Callable[[Epoch], None] = lambda _: None) -> PrototypeBank:
        """Trains what is left of the epochs, and returns the averaged bank, its points rounded to float16."""
        while self.epochs_done < self.recipe.epochs:
            report(self._epoch())
            self._save()
        points, offsets = self._averages
        classes = torch.arange(self._classes).repeat_interleave(self.recipe.per_class)
        return PrototypeBank(points.half(), self._basis.T.view(-1, *self._shape), offsets, classes)

    def _epoch(self) -> Epoch:
        # A seed an epoch makes a resumed run draw what an unbroken one would have.
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.epochs_done)
        order = torch.randperm(len(self._split), generator=generator)
        losses, correct = 0.0, 0.0
        for step in range(self.steps_per_epoch):
            indices = order[step * self._batch : (step + 1) * self._batch]
            images = self.recipe.deformation(to_unit_range(self._split.images[indices]), generator)
            bounds = self._step(images, self._split.labels[indices], step)
            losses += F.relu(self.recipe.margin - bounds).mean().item()
            correct += (bounds > 0).float().mean().item()
        self.epochs_done += 1
        return Epoch(self.epochs_done, losses / self.steps_per_epoch, correct / self.steps_per_epoch)

    def _step(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        """One update by images (B, C, H, W); returns their bounds before it, (B,)."""
        pixels = images.flatten(1)
        coordinates = pixels @ self._basis
        points, offsets = self._points.requires_grad_(), self._offsets.requires_grad_()
        with torch.no_grad():
            p, rivals = self._pairs(coordinates, labels)
            needed, normals = self._conditions(coordinates, p[:, None], rivals)
            least = _bounds(pixels[:, None], needed, normals).argmin(1, keepdim=True)
            q = rivals.gather(1, least).squeeze(1)
        needed, normals = self._conditions(coordinates, p, q)
        bounds = _bounds(pixels, needed, normals)
        loss = F.relu(self.recipe.margin - bounds).mean()
        gradients = torch.autograd.grad(loss, (points, offsets))
        done = self.epochs_done * self.steps_per_epoch + step
        progress = done / (self.recipe.epochs * self.steps_per_epoch)
        rate = self.recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        # The average forgets its start faster at first.
        weight = min(self.recipe.average, (done + 1) / (done + 10))
        with torch.no_grad():
            state = zip((points, offsets), self._velocities, self._averages, gradients, strict=True)
            for parameter, velocity, average, gradient in state:
                velocity.mul_(self.recipe.momentum).add_(gradient)
                parameter.sub_(rate * (gradient + self.recipe.momentum * velocity))  # Nesterov's momentum
                average.lerp_(parameter, 1 - weight)
        self._points, self._offsets = points.detach(), offsets.detach()
        return bounds.detach()

    def _pairs(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """For images (B, D) of labels (B,): the nearest own prototype (B,), the rivals of the least s(p, q) (B, R)."""
        B, K, P = len(images), self._classes, self.recipe.per_class
        squares, row = self._points.square().sum(1), torch.arange(B)
        levels = torch.addmm(squares + self._offsets, images, self._points.T, alpha=-2)
        own_levels, place = levels.view(B, K, P)[row, labels].min(1)
        p = labels * P + place
        apart = torch.addmm(squares, self._points[p], self._points.T, alpha=-2).add_(squares[p, None])
        bounds = apart.clamp_min_(_NEAREST).rsqrt_().mul_(levels.sub_(own_levels[:, None]))
        bounds.view(B, K, P)[row, labels] = torch.inf
        return p, bounds.topk(_RIVALS, largest=False).indices

    def _conditions(self, images: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """q beats p at x + d where n.d >= c: c (B, ...) and n (B, ..., pixels) for images (B, D)."""
        own, rival = self._points[p], self._points[q]
        x = images.view(len(images), *[1] * (q.dim() - 1), -1)
        levels = (x - rival).square().sum(-1) + self._offsets[q] - (x - own).square().sum(-1) - self._offsets[p]
        return levels / 2, (rival - own) @ self._basis.T

    def _project(self, images: Tensor) -> Tensor:
        return images.flatten(1).float() @ self._basis

    def _save(self) -> None:
        if self._checkpoint is None:
            return
        state = {
            "points": self._points,
            "offsets": self._offsets,
            "velocity.points": self._velocities[0],
            "velocity.offsets": self._velocities[1],
            "average.points": self._averages[0],
            "average.offsets": self._averages[1],
        }
        metadata = {"recipe": json.dumps(asdict(self.recipe)), "epochs_done": str(self.epochs_done)}
        checkpoint_file.save(self._checkpoint, state, metadata)


def _bounds(images: Tensor, needed: Tensor, normals: Tensor) -> Tensor:
    """The distance from x within [0, 1] to where n.d >= c; below zero, that of the hyperplane, where c is.

    Differentiable in c and n by the envelope theorem: at the best multiplier and step, the dual function's gradient is
    that of its terms.

    Args:
        images: x, (B, 1..., pixels).
        needed: c, (B, ...).
        normals: n, (B, ..., pixels).
    """
    with torch.no_grad():
        multipliers = (needed / normals.square().sum(-1).clamp_min(_NEAREST)).clamp_min(0)
        for _ in range(_NEWTON_STEPS):
            moved = images + multipliers[..., None] * normals
            missing = needed - (normals * (moved.clamp(0, 1) - images)).sum(-1)
            slopes = (normals.square() * ((moved > 0) & (moved < 1))).sum(-1)
            step = torch.where(slopes > _NEAREST, missing / slopes, 0)
            multipliers = (multipliers + step).clamp(0, _MOST)
        change = (images + multipliers[..., None] * normals).clamp(0, 1) - images
    values = change.square().sum(-1) / 2 + multipliers * (needed - (normals * change).sum(-1))
    plain = needed / normals.square().sum(-1).clamp_min(_NEAREST).sqrt()
    inside = (needed > 0) & (values > _NEAREST)
    return torch.where(inside, (2 * values.clamp_min(_NEAREST)).sqrt(), plain)


def _principal_components(images: Tensor, count: int) -> Tensor:
    """The first `count` principal components (P, D) of images (N, P)."""
    centred = images - images.mean(0)
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    components: Tensor = vectors[:, -count:].contiguous()
    return components
