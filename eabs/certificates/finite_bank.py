"""The finite-bank certificate: sound, for the nearest-prototype classifier (`eabs/prototypes.py`).

The classifier answers y at x. A prototype q of another class beats the prototype p of class y where
||x - q||^2 + o_q <= ||x - p||^2 + o_p: beyond a hyperplane, whose L2 distance from x is

    s(p, q) = (||x - q||^2 + o_q - ||x - p||^2 - o_p) / (2 ||p - q||).

The prediction changes only where some q beats every p, so min over q of max over p of s(p, q) is a radius. It is
raised where it decides: q must beat several p's at once, and by an image, whose pixels are in [0, 1]. With
n_p = q - p and c_p = (||x - q||^2 + o_q - ||x - p||^2 - o_p) / 2 the nearest such image solves

    minimise ||d||^2 / 2  subject to  n_p.d >= c_p for all p,  0 <= x + d <= 1,

and for any multipliers m_p >= 0, weak duality bounds it from below by

    g(m) = min over 0 <= x + d <= 1 of ||d||^2 / 2 + sum_p m_p (c_p - n_p.d),  at d = clip(x + sum_p m_p n_p) - x,

so that no image nearer than sqrt(2 g(m)) is won by q. Better multipliers give a larger bound, and the best one the
distance itself. After Voracek & Hein, Provably Adversarially Robust Nearest Prototype Classifiers (ICML 2022).

Rounding. What is promised is that no image of floats in [0, 1] within the radius gets another answer of the float64
classifier. With e the bank's `rounding`, every level errs by at most e, at x and at the other image alike; so 4 e off
every difference of levels, and a fifth for the subtraction, leaves the answer at the other image decided. An error of
f in the length of a normal changes n_p.d by no more than f sqrt(n), since d joins two points of the cube; that, too,
is taken off c_p. The multipliers need no accuracy, since any will do; nor does d, at whose minimum an error counts by
its square. The sums of g(m), of n terms and of as many as there are multipliers, are covered by the part 1e-12 of their
terms' absolute values, more for very large images, and the last division or root by as much again.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.blocks import in_blocks
from eabs.prototypes import PrototypeBank

_HEIGHT = 8
_RIVALS = 16  # how many of the prototypes nearest to winning are refined at once
_OWN = 64  # how many own prototypes a rival must beat at once, at most
_GROWTH = 4
_SWEEPS = 10
_SLACK = 1e-12
_UNIT = torch.finfo(torch.float64).eps / 2


@dataclass(frozen=True)
class FiniteBankCertificate:
    """Certificates of B images.

    `predictions` (B,) int64: the class that the bank chooses, of which the certificate speaks.
    `radii` (B,) float64: L2 distance within which every image with pixels in [0, 1] gets the prediction; 0 where
    nothing is certified.
    `bounds` (B, K) float64: the distance before which no prototype of class k can win; +inf for the prediction.
    """

    predictions: Tensor
    radii: Tensor
    bounds: Tensor


def certify_finite_bank(bank: PrototypeBank, images: Tensor) -> FiniteBankCertificate:
    """Certifies the bank's own predictions.

    Args:
        bank: the classifier.
        images: (B, C, H, W) float32 in [0, 1].

    Raises:
        ValueError: the images have another shape than the bank's.
    """
    levels = bank.levels(images)
    scores = torch.stack([part.amin(1) for part in levels.split(bank.counts, dim=1)], 1)
    predictions = scores.argmin(1)
    own = bank.classes == predictions[:, None]
    nearest = levels.masked_fill(~own, torch.inf).argmin(1)
    # The inner products of the nearest own prototypes with all others, for all images at once.
    products = in_blocks(lambda rows: rows @ bank.coordinates.T, bank.coordinates[nearest], _HEIGHT)
    rows = zip(images.to(bank.device).flatten(1).double(), levels, own, nearest, products, strict=True)
    bounds = [_Certifier(bank, *row).bounds() for row in rows]
    by_class = torch.stack([torch.stack([part.amin() for part in row.split(bank.counts)]) for row in bounds])
    radii = by_class.amin(1).clamp_min(0)
    return FiniteBankCertificate(predictions, radii, by_class)


class _Certifier:
    """One image (n,): bounds for every prototype of another class, refined where they decide."""

    def __init__(
        self, bank: PrototypeBank, image: Tensor, levels: Tensor, own: Tensor, nearest: Tensor, products: Tensor
    ) -> None:
        self._bank = bank
        self._image = image
        self._levels = levels
        self._own = own
        D, n = bank.orthonormal.shape
        # Of a pixel of a normal, and of all of it: inner products of D numbers.
        self._tilt = 4 * (D + 8) * _UNIT * bank.largest_norm * n**0.5
        # Of ||p - q||^2, computed from three inner products.
        self._rounding = 16 * ((D + 8) * _UNIT + bank.distortion) * bank.largest_norm**2
        self._bounds = self._single(nearest, products)

    def bounds(self) -> Tensor:
        """The distance (P,) before which each prototype cannot win; +inf for those of the own class."""
        order = self._levels.masked_fill(~self._own, torch.inf).argsort()[: min(_OWN, int(self._own.sum()))]
        radius, count = self._bounds.amin(), 1
        while radius > 0:
            count = min(_GROWTH * count, len(order))
            self._refine(order[:count])
            # Each round has the rivals beat more prototypes than the last: one that gains nothing ends the search.
            if (refined := self._bounds.amin()) <= radius or count == len(order):
                break
            radius = refined
        return self._bounds

    def _single(self, p: Tensor, products: Tensor) -> Tensor:
        """s(p, q) for all q."""
        squares = self._bank.squares[p] + self._bank.squares - 2 * products + self._rounding
        bounds = self._margins(p, slice(None)) / (2 * squares.sqrt()) * (1 - _SLACK)
        return bounds.masked_fill_(self._own, torch.inf)

    def _refine(self, own: Tensor) -> None:
        """Has the rivals beat all of `own`, the one with the least bound first, until that one has been tried."""
        tried = torch.zeros_like(self._own)
        while not tried[self._bounds.argmin()]:
            rivals = self._bounds.topk(min(_RIVALS, len(self._bounds)), largest=False).indices
            rivals = rivals[~(tried | self._own)[rivals]]
            self._bounds[rivals] = torch.maximum(self._bounds[rivals], self._in_the_box(own, rivals))
            tried[rivals] = True

    def _in_the_box(self, own: Tensor, rivals: Tensor) -> Tensor:
        """sqrt(2 g(m)) for all q of `rivals`, with multipliers as good as a few sweeps find them."""
        coordinates = self._bank.coordinates
        apart = coordinates[rivals, None] - coordinates[own]
        normals = apart @ self._bank.orthonormal
        needed = self._margins(own, rivals[:, None]) / 2 - self._tilt * self._image.numel() ** 0.5
        values = _dual_bound(self._image, normals, needed)
        bounds: Tensor = (2 * values.clamp_min(0)).sqrt() * (1 - _SLACK)
        return bounds

    def _margins(self, own: Tensor, rivals: Tensor | slice) -> Tensor:
        """level_q - level_p, no more than that in exact arithmetic, at x and for the answers at another image."""
        return self._levels[rivals] - self._levels[own] - 5 * self._bank.rounding


def _dual_bound(image: Tensor, normals: Tensor, needed: Tensor) -> Tensor:
    """g(m) for each of Q rivals, no more than in exact arithmetic.

    The multipliers rise one after the other to where their own condition is met (Hildreth's method, with the pixels
    that have met a side of the cube held there).

    Args:
        image: x (n,).
        normals: n_p (Q, t, n).
        needed: c_p (Q, t).
    """
    Q, t, n = normals.shape
    multipliers = torch.zeros(Q, t, dtype=normals.dtype, device=normals.device)
    reach = torch.zeros(Q, n, dtype=normals.dtype, device=normals.device)  # sum_p m_p n_p
    least = 1e-9 * normals.square().sum(2)
    for _ in range(_SWEEPS):
        for j in range(t):
            moved = image + reach
            inside = (moved >= 0) & (moved <= 1)
            missing = needed[:, j] - (normals[:, j] * (moved.clamp(0, 1) - image)).sum(1)
            slope = (normals[:, j].square() * inside).sum(1)
            # Where hardly a pixel is free, nothing more can be reached, and any multiplier will do.
            step = torch.where(slope > least[:, j], missing / slope, 0).maximum(-multipliers[:, j])
            multipliers[:, j] += step
            reach += step[:, None] * normals[:, j]
    reach = torch.einsum("qt,qtn->qn", multipliers, normals)
    change = (image + reach).clamp(0, 1) - image
    squares, wanted = change.square() / 2, multipliers * needed
    # Normals that cancel each other leave their own rounding behind.
    each = torch.einsum("qt,qtn->qn", multipliers, normals.abs()) * change.abs()
    size = (squares + each).sum(1) + wanted.abs().sum(1)
    values: Tensor = (squares - reach * change).sum(1) + wanted.sum(1) - max(_SLACK, 4 * (n + t) * _UNIT) * size
    return values
