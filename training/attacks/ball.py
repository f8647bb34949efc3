"""How far an attack may move an image: a ball with a radius of its own for each image, cut to [0, 1]."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]
NORMS: tuple[Norm, ...] = ("linf", "l2")

_TRIES = 40
_ROUNDS = 6
_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True, eq=False)
class Ball:
    """Around N images of [0, 1] pixels: `radii` (N,) float64 above 0, in pixels measured by `norm`.

    Distances are measured in float64, and every float32 image that is given back holds its radius measured so.
    """

    norm: Norm
    radii: Tensor

    def __post_init__(self) -> None:
        if self.radii.dim() != 1 or self.radii.dtype != torch.float64:
            raise ValueError(f"radii: expected (N,) float64, got {tuple(self.radii.shape)} {self.radii.dtype}")
        if not (self.radii > 0).all():
            raise ValueError(f"radii: expected numbers above 0, got {self.radii.min().item()}")

    @classmethod
    def around(cls, images: Tensor, norm: Norm, radius: float) -> "Ball":
        """The same radius for each of the images (N, C, H, W), on their device."""
        return cls(norm, torch.full((len(images),), radius, dtype=torch.float64, device=images.device))

    def select(self, indices: Tensor) -> "Ball":
        """The ball around some of the images: indices (n,) int64 or (N,) bool."""
        return Ball(self.norm, self.radii[indices])

    def require(self, norm: Norm) -> None:
        """Raises a ValueError where the ball is of the other norm."""
        if self.norm != norm:
            raise ValueError(f"ball: expected {norm}, got {self.norm}")

    def distances(self, images: Tensor, others: Tensor) -> Tensor:
        """||x - x'|| of images (N, C, H, W) and others alike, in float64: (N,)."""
        return self._lengths(images.double() - others.double())

    def confine(self, images: Tensor, candidates: Tensor) -> Tensor:
        """The nearest images in the ball and in [0, 1] (L2: in the directions of the candidates).

        Args:
            images: (N, C, H, W) float32 in [0, 1].
            candidates: (N, C, H, W); where one is not finite, the image stands in for it.

        Returns:
            (N, C, H, W) float32.
        """
        finite = _column(candidates.flatten(1).isfinite().all(1))
        candidates = torch.where(finite, candidates, images).clamp(0, 1)
        return self._clip(images, candidates) if self.norm == "linf" else self._draw_in(images, candidates)

    def stride(self, images: Tensor, directions: Tensor) -> Tensor:
        """The images moved along the directions, clipped to [0, 1], as far as the radii allow.

        Where pixels are clipped, the others go further, so that the whole radius is used if the box lets it.

        Args:
            images: (N, C, H, W) float32 in [0, 1].
            directions: (N, C, H, W), of any length.
        """
        directions = directions.double()
        factors = self.radii / self._lengths(directions).clamp_min(_TINY)
        for _ in range(_ROUNDS):
            moved = (images.double() + _column(factors) * directions).clamp(0, 1)
            factors = factors * (self.radii / self.distances(images, moved).clamp_min(_TINY)).clamp(1, 10)
        return self.confine(images, images.double() + _column(factors) * directions)

    def steepest(self, gradients: Tensor) -> Tensor:
        """The directions in which values with these gradients (N, C, H, W) rise the most for their length."""
        return gradients.sign() if self.norm == "linf" else gradients

    def _lengths(self, steps: Tensor) -> Tensor:
        order = torch.inf if self.norm == "linf" else 2
        lengths: Tensor = torch.linalg.vector_norm(steps.flatten(1), ord=order, dim=1)
        return lengths

    def _clip(self, images: Tensor, candidates: Tensor) -> Tensor:
        radii, origins = _column(self.radii), images.double()
        clipped = candidates.double().clamp(origins - radii, origins + radii).float()
        # Rounding to float32 may have led out of the ball again, by less than the next number towards the image.
        outside = (clipped.double() - origins).abs() > radii
        return torch.where(outside, torch.nextafter(clipped, images), clipped)

    def _draw_in(self, images: Tensor, candidates: Tensor) -> Tensor:
        steps = candidates.double() - images.double()
        shares = (self.radii / self._lengths(steps).clamp_min(_TINY)).clamp_max(1)
        hair = torch.finfo(torch.float32).eps
        for _ in range(_TRIES):
            confined = (images.double() + _column(shares) * steps).float().clamp(0, 1)
            # Rounding to float32 may have led out of the ball again.
            outside = self.distances(images, confined) > self.radii
            if not outside.any():
                return confined
            shares = torch.where(outside, shares * (1 - hair), shares)
            hair = min(2 * hair, 0.5)
        return torch.where(_column(outside), images, confined)


def _column(values: Tensor) -> Tensor:
    """(N,) to (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
