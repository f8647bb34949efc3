"""The nearest-prototype classifier: a finite bank of images, each of one class, decides alone.

l_k(x) = min over the prototypes p of class k of ||x - p||^2 + o_p, and the least l_k wins. Over the candidate bank,
with o_p = -beta log D(z_p), this is latent inference (6) of Ju & Wagner (AISec 2020) that stops at its start; a bank
may as well hold other images, with offsets of their own.

All arithmetic is float64, and its error is bounded, so that a certificate can account for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.blocks import in_blocks

_HEIGHT = 8  # images at once: the bank is read once for all of them
_UNIT = torch.finfo(torch.float64).eps / 2


@dataclass(frozen=True)
class PrototypeScores:
    """What the bank says of B images, for each of K classes.

    `scores` l_k (B, K); `distances` ||x - p||_2 to the prototype that gives the score (B, K); `nearest` its index in
    the bank (B, K) int64.
    """

    scores: Tensor
    distances: Tensor
    nearest: Tensor

    @property
    def predictions(self) -> Tensor:
        """argmin_k l_k: (B,) int64."""
        return self.scores.argmin(1)


class PrototypeBank:
    """P prototypes of K classes, on one device."""

    def __init__(self, images: Tensor, offsets: Tensor, classes: Tensor) -> None:
        """Args:
        images: (P, C, H, W), finite; not confined to [0, 1].
        offsets: (P,), finite, squared L2.
        classes: (P,) int64, ascending, each of 0..K-1 at least once.

        Raises:
            ValueError: they are not.
        """
        if images.dim() != 4 or len(images) == 0 or offsets.shape != classes.shape or len(classes) != len(images):
            raise ValueError(
                "expected images (P, C, H, W), offsets (P,) and classes (P,), "
                f"got {tuple(images.shape)}, {tuple(offsets.shape)} and {tuple(classes.shape)}"
            )
        if not (images.isfinite().all() and offsets.isfinite().all()):
            raise ValueError("expected finite prototypes and offsets, got NaN or infinity")
        steps = classes.diff()
        if classes[0] != 0 or ((steps != 0) & (steps != 1)).any():
            raise ValueError("classes: expected 0, 0, ..., K-1 in order, each at least once")
        self.shape = tuple(images.shape[1:])
        self.images = images.flatten(1).double()
        self.offsets = offsets.double()
        self.classes = classes
        self.counts: list[int] = classes.bincount().tolist()
        self.largest_norm = torch.linalg.vector_norm(self.images, dim=1).amax().item()
        self._constants = self.images.square().sum(1) + self.offsets
        largest_image = self.images.shape[1] ** 0.5
        largest = self.largest_norm**2 + self.offsets.abs().amax().item() + 2 * largest_image * self.largest_norm
        self.rounding = 2 * (self.images.shape[1] + 8) * _UNIT * largest
        """No level of an image in [0, 1] is further than this from its exact value: an inner product of n numbers
        errs by at most n u / (1 - n u) times the product of the norms, in whatever order it is summed (Higham,
        Accuracy and Stability of Numerical Algorithms, section 3.1); twice that is left for the sums around it."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def device(self) -> torch.device:
        """Where the bank is."""
        return self.images.device

    @property
    def nbytes(self) -> int:
        """Memory that it takes, in bytes."""
        return sum(part.nbytes for part in (self.images, self.offsets, self.classes, self._constants))

    def levels(self, images: Tensor) -> Tensor:
        """||x - p||^2 + o_p - ||x||^2 for every prototype p.

        Args:
            images: (B, C, H, W) float32 in [0, 1], on any device.

        Returns:
            (B, P) float64; an image's row does not depend on the other images.

        Raises:
            ValueError: the images have another shape.
        """
        if images.dim() != 4 or tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"images: expected (B, {self.shape}), got {tuple(images.shape)}")
        rows = images.to(self.device).flatten(1).double()
        return in_blocks(lambda x: torch.addmm(self._constants, x, self.images.T, alpha=-2), rows, _HEIGHT)

    def classify(self, images: Tensor) -> PrototypeScores:
        """The scores of images (B, C, H, W), as `levels` takes them."""
        best = [part.min(1) for part in self.levels(images).split(self.counts, dim=1)]
        firsts = torch.tensor([0, *self.counts[:-1]], device=self.device).cumsum(0)
        nearest = torch.stack([found.indices for found in best], 1) + firsts
        squares = images.to(self.device).flatten(1).double().square().sum(1)
        scores = torch.stack([found.values for found in best], 1) + squares[:, None]
        distances = (scores - self.offsets[nearest]).clamp_min(0).sqrt()
        return PrototypeScores(scores, distances, nearest)

    def pictures(self, indices: Tensor) -> Tensor:
        """The prototypes at `indices` (...) as float32 images (..., C, H, W)."""
        pictures: Tensor = self.images[indices].float().view(*indices.shape, *self.shape)
        return pictures
