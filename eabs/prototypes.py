"""The nearest-prototype classifier: a finite bank of images, each of one class, decides alone.

l_k(x) = min over the prototypes p of class k of ||x - p||^2 + o_p, and the least l_k wins. Over the candidate bank,
with o_p = -beta log D(z_p), this is latent inference (6) of Ju & Wagner (AISec 2020) that stops at its start; a bank
may as well hold other images, with offsets of their own.

The prototypes lie in the span of a few images, the basis, and are kept as coordinates on it: what of an image lies
outside adds the same to all distances.

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
    """P prototypes of K classes in the span of D images, on one device."""

    def __init__(self, points: Tensor, basis: Tensor, offsets: Tensor, classes: Tensor) -> None:
        """Args:
        points: (P, D), the prototypes: the images points @ basis, not confined to [0, 1].
        basis: (D, C, H, W), linearly independent.
        offsets: (P,), squared L2.
        classes: (P,) int64, ascending, each of 0..K-1 at least once.

        Raises:
            ValueError: they are not.
        """
        if basis.dim() != 4 or points.shape != (len(classes), len(basis)) or offsets.shape != classes.shape:
            raise ValueError(
                "expected points (P, D), a basis (D, C, H, W), offsets (P,) and classes (P,), got "
                f"{tuple(points.shape)}, {tuple(basis.shape)}, {tuple(offsets.shape)} and {tuple(classes.shape)}"
            )
        if not all(part.isfinite().all() for part in (points, basis, offsets)):
            raise ValueError("expected finite prototypes, basis and offsets, got NaN or infinity")
        steps = classes.diff()
        if len(classes) == 0 or classes[0] != 0 or ((steps != 0) & (steps != 1)).any():
            raise ValueError("classes: expected 0, 0, ..., K-1 in order, each at least once")
        self.points, self.basis, self.offsets, self.classes = points, basis, offsets.double(), classes
        self.shape = tuple(basis.shape[1:])
        self.counts: list[int] = classes.bincount().tolist()
        orthonormal, triangle = torch.linalg.qr(basis.flatten(1).double().T)
        if triangle.diagonal().abs().amin() <= 1e-6 * triangle.diagonal().abs().amax():
            raise ValueError("basis: expected linearly independent images, got others")
        self.orthonormal: Tensor = orthonormal.T.contiguous()
        """(D, n): the same span."""
        self.coordinates: Tensor = points.double() @ triangle.T
        """(P, D): the prototypes on it. Both define the bank from here on."""
        self.squares: Tensor = self.coordinates.square().sum(1)
        self.largest_norm: float = self.squares.amax().sqrt().item()
        D, n = self.orthonormal.shape
        gram = self.orthonormal @ self.orthonormal.T - torch.eye(D, dtype=torch.float64, device=basis.device)
        self.distortion: float = torch.linalg.matrix_norm(gram).item() + 2 * D * n * _UNIT
        """How far, at most, squared norms of coordinates are from those of their images, as a part of them."""
        largest = self.largest_norm**2 + self.offsets.abs().amax().item() + 2 * n**0.5 * self.largest_norm
        self.rounding: float = 2 * (D**0.5 * (n + D + 8) * _UNIT + self.distortion) * largest
        """No level of an image in [0, 1] is further than this from its exact value. An inner product of n numbers errs
        by at most n u / (1 - n u) times the product of the norms, in whatever order it is summed (Higham, Accuracy and
        Stability of Numerical Algorithms, section 3.1). So each of the image's D coordinates errs by n u ||x|| at most,
        their product with a prototype's by sqrt(D) n u ||x|| ||p|| and D u ||x|| ||p||, and its squared norm by the
        distortion; twice all that is left for what else is added up."""
        self._constants = self.squares + self.offsets

    @classmethod
    def of_images(cls, images: Tensor, offsets: Tensor, classes: Tensor) -> "PrototypeBank":
        """A bank of any images (P, C, H, W): its basis is the pixels.

        Raises:
            ValueError: as the constructor does.
        """
        n = images.shape[1:].numel()
        pixels = torch.eye(n, device=images.device).view(n, *images.shape[1:])
        return cls(images.flatten(1), pixels, offsets, classes)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def device(self) -> torch.device:
        """Where the bank is."""
        return self.coordinates.device

    @property
    def nbytes(self) -> int:
        """Memory that one answer reads, in bytes."""
        return sum(part.nbytes for part in (self.coordinates, self.orthonormal, self._constants))

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

        def work(rows: Tensor) -> Tensor:
            return torch.addmm(self._constants, rows @ self.orthonormal.T, self.coordinates.T, alpha=-2)

        return in_blocks(work, images.to(self.device).flatten(1).double(), _HEIGHT)

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
        pictures: Tensor = (self.coordinates[indices] @ self.orthonormal).float().view(*indices.shape, *self.shape)
        return pictures
