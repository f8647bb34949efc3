"""The finite-bank certificate: sound, for the nearest-prototype classifier (`eabs/prototypes.py`).

The classifier answers y at x. A prototype q of another class beats the prototype p of class y only beyond the
hyperplane where ||x - q||^2 + o_q = ||x - p||^2 + o_p, at the L2 distance

    s(p, q) = (||x - q||^2 + o_q - ||x - p||^2 - o_p) / (2 ||p - q||).

The prediction changes only where some q beats every p, so min over q of max over p of s(p, q) is a radius, and any
part of the p's will do. To beat several p's at once is farther still: for any weights w_p >= 0,

    s(w, q) = sum_p w_p (||x - q||^2 + o_q - ||x - p||^2 - o_p) / (2 ||sum_p w_p (p - q)||)

bounds it too, as adding up the conditions shows, and the best weights give the distance itself (the dual of a
quadratic program). Voracek & Hein, Provably Adversarially Robust Nearest Prototype Classifiers (ICML 2022).

Rounding. What is promised is that no image of floats within the radius gets another answer of the float64
classifier. With e the bank's `rounding`, every level errs by at most e, at x and at the other image alike; so 4 e
off every numerator, and a fifth for the subtraction, leaves the answer at the other image decided. Denominators are
rounded up likewise: every inner product of prototypes errs by a multiple of D u R^2, R the largest norm, and by the
bank's `distortion` of it. The weights need no accuracy, since any will do. What little is left, a division, a root
and a few sums, is covered by the relative 1e-12 that is taken off at the end.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.blocks import in_blocks
from eabs.prototypes import PrototypeBank

_HEIGHT = 8
_RIVALS = 64  # how many of the prototypes nearest to winning are refined at once
_OWN = 64  # how many own prototypes, at most, are combined
_SWEEPS = 20
_GROWTH = 4
_SLACK = 1e-12
_UNIT = torch.finfo(torch.float64).eps / 2


@dataclass(frozen=True)
class FiniteBankCertificate:
    """Certificates of B images.

    `predictions` (B,) int64: the class that the bank chooses, of which the certificate speaks.
    `radii` (B,) float64: L2 distance in [0, 1] pixels; 0 where nothing is certified.
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
    bounds = [_Certifier(bank, *row).bounds() for row in zip(levels, own, nearest, products, strict=True)]
    by_class = torch.stack([torch.stack([part.amin() for part in row.split(bank.counts)]) for row in bounds])
    radii = by_class.amin(1).clamp_min(0)
    return FiniteBankCertificate(predictions, radii, by_class)


class _Certifier:
    """One image: bounds for every prototype of another class, refined where they decide."""

    def __init__(self, bank: PrototypeBank, levels: Tensor, own: Tensor, nearest: Tensor, products: Tensor) -> None:
        self._bank = bank
        self._levels = levels
        self._own = own
        # Of an entry (p_i - q).(p_j - q), computed from four inner products.
        part = (bank.coordinates.shape[1] + 8) * _UNIT + bank.distortion
        self._rounding = 16 * part * bank.largest_norm**2
        self._bounds = self._single(nearest, products)

    def bounds(self) -> Tensor:
        """The distance (P,) before which each prototype cannot win; +inf for those of the own class."""
        order = self._levels.masked_fill(~self._own, torch.inf).argsort()[: min(_OWN, int(self._own.sum()))]
        radius, count = self._bounds.amin(), 1
        while count < len(order) and radius > 0:
            count = min(_GROWTH * count, len(order))
            rivals = self._bounds.topk(min(_RIVALS, len(self._bounds)), largest=False).indices
            rivals = rivals[~self._own[rivals]]
            self._bounds[rivals] = torch.maximum(self._bounds[rivals], self._combined(order[:count], rivals))
            # Each round combines more prototypes than the last: one that gains nothing ends the search.
            if (refined := self._bounds.amin()) <= radius:
                break
            radius = refined
        return self._bounds

    def _single(self, p: Tensor, products: Tensor) -> Tensor:
        """s(p, q) for all q."""
        margins = self._levels - self._levels[p] - 5 * self._bank.rounding
        squares = self._bank.squares[p] + self._bank.squares - 2 * products + self._rounding
        bounds = _quotient(margins, squares)
        return bounds.masked_fill_(self._own, torch.inf)

    def _combined(self, own: Tensor, rivals: Tensor) -> Tensor:
        """s(w, q) for all q of `rivals`, with weights as good as a few sweeps find them."""
        p, q = self._bank.coordinates[own], self._bank.coordinates[rivals]
        margins = self._levels[rivals, None] - self._levels[own] - 5 * self._bank.rounding
        cross = q @ p.T
        gram = p @ p.T + q.square().sum(1)[:, None, None] - cross[:, :, None] - cross[:, None, :]
        weights = _weights(margins, gram)
        squares = torch.einsum("qi,qij,qj->q", weights, gram, weights) + self._rounding
        return _quotient((weights * margins).sum(1), squares)


def _quotient(margins: Tensor, squares: Tensor) -> Tensor:
    """margins / (2 sqrt(squares)), no more than that in exact arithmetic where it is positive."""
    return margins / (2 * squares.sqrt()) * (1 - _SLACK)


def _weights(margins: Tensor, gram: Tensor) -> Tensor:
    """Weights (Q, t), none negative, that sum to 1, for margins (Q, t) and Gram matrices (Q, t, t).

    They about maximise w.m / 2 - w.G.w / 2, one coordinate after the other (Hildreth's method).
    """
    diagonal = gram.diagonal(dim1=1, dim2=2)
    weights = torch.zeros_like(margins)
    weights[:, 0] = 1
    for _ in range(_SWEEPS):
        for j in range(margins.shape[1]):
            gradient = margins[:, j] / 2 - (gram[:, j] * weights).sum(1)
            weights[:, j] = (weights[:, j] + gradient / diagonal[:, j].clamp_min(_UNIT)).clamp_min(0)
    total = weights.sum(1, keepdim=True)
    first = torch.zeros_like(weights)
    first[:, 0] = 1
    return torch.where(total > 0, weights / total.clamp_min(_UNIT), first)
