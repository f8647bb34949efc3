"""What Square attack tries: algorithms 2 and 3 of Andriushchenko et al. (ECCV 2020), squares for each image by itself.

In an Linf ball a square is of one sign, on the ball's surface. In an L2 ball it takes what another square had: what one
pixel is changed by cannot be spent on others.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from training.attacks.ball import Ball, Norm

Draw = Callable[[int], Tensor]
"""How many numbers (m) to draw for each image, to as many of [0, 1): (N, m) float64."""

_TILES = 5
_LEAST_SIDE = 3
_TINY = 1e-12


class Proposals(ABC):
    """Images (N, C, H, W) float32 in the `ball` around `images`, each image's by what is drawn for it."""

    def __init__(self, images: Tensor, ball: Ball, draw: Draw) -> None:
        self._images = images
        self._ball = ball
        self._draw = draw
        self._channels, self._height, self._width = images.shape[1:]

    @abstractmethod
    def first(self) -> Tensor:
        """Where to begin."""

    @abstractmethod
    def next(self, found: Tensor, area: float) -> Tensor:
        """`found` (N, C, H, W) with a square of this share of the image changed."""

    def _signs(self, count: int) -> Tensor:
        return torch.where(self._draw(count) < 0.5, -1.0, 1.0)

    def _corners(self, side: int) -> Tensor:
        """Where a square begins: rows and columns (N, 2) int64."""
        room = torch.tensor([self._height - side + 1, self._width - side + 1], device=self._images.device)
        return (self._draw(2) * room).long()

    def _side(self, area: float) -> int:
        return round(math.sqrt(area * self._height * self._width))


class LinfProposals(Proposals):
    """Algorithm 2: vertical stripes at first, then squares."""

    def first(self) -> Tensor:
        signs = self._signs(self._channels * self._width).view(-1, self._channels, 1, self._width)
        return self._moved(signs.expand_as(self._images))

    def next(self, found: Tensor, area: float) -> Tensor:
        side = max(self._side(area), 1)
        inside = placed(torch.ones(len(found), side, side, device=found.device), self._corners(side), found) > 0
        signs = self._signs(self._channels)[:, :, None, None].expand_as(found)
        proposed = torch.where(inside, self._moved(signs), found)
        # What is there already is no try: the other sign is.
        idle = (proposed == found).flatten(1).all(1).view(-1, 1, 1, 1)
        return torch.where(idle & inside, self._moved(-signs), proposed)

    def _moved(self, signs: Tensor) -> Tensor:
        """The images moved to a corner of the ball."""
        return self._ball.confine(self._images, self._images + 2 * _column(self._ball.radii) * signs)


class L2Proposals(Proposals):
    """Algorithm 3: a grid of bumps at first, then bumps that take what another square had."""

    def first(self) -> Tensor:
        side = max(1, min(self._height, self._width) // _TILES)
        steps = torch.zeros_like(self._images, dtype=torch.float64)
        for row in range(self._height % side // 2, self._height - side + 1, side):
            for column in range(self._width % side // 2, self._width - side + 1, side):
                corners = torch.tensor([[row, column]], device=steps.device).expand(len(steps), -1)
                steps += self._signed_bumps(side, corners)
        return self._ball.stride(self._images, steps)

    def next(self, found: Tensor, area: float) -> Tensor:
        largest = min(self._height, self._width)
        side = min(max(self._side(area), _LEAST_SIDE) // 2 * 2 + 1, largest - 1 + largest % 2)
        corners, emptied = self._corners(side), self._corners(side)
        window = torch.ones(len(found), side, side, device=found.device)
        target, source = (placed(window, place, found) > 0 for place in (corners, emptied))
        steps = found.double() - self._images.double()
        unused = (self._ball.radii.square() - _squares(steps).sum((1, 2, 3))).clamp_min(0)
        available = (_squares(steps * (target | source)) + _column(unused) / self._channels).sqrt()
        kept = steps * target
        bumps = self._signed_bumps(side, corners) + kept / _squares(kept).sqrt().clamp_min(_TINY)
        bumps = bumps / _squares(bumps).sqrt().clamp_min(_TINY) * available
        steps = torch.where(target, bumps, torch.where(source, 0, steps))
        return self._ball.confine(self._images, self._images + steps)

    def _signed_bumps(self, side: int, corners: Tensor) -> Tensor:
        """A bump of length 1 in every channel, lying or standing, of either sign: (N, C, H, W) float64."""
        drawn = bump(side).to(self._images.device)
        lying = self._draw(1)[:, :, None] < 0.5
        signs = self._signs(self._channels)[:, :, None, None]
        return signs * placed(torch.where(lying, drawn, drawn.T), corners, self._images)


PROPOSALS: dict[Norm, type[Proposals]] = {"linf": LinfProposals, "l2": L2Proposals}


def bump(side: int) -> Tensor:
    """Equation (2): two halves of opposite sign that fall off from their middles, of length 1; (side, side) float64."""
    upper = side // 2
    both = torch.cat([_half(upper, side), -_half(side - upper, side)])
    normed: Tensor = both / torch.linalg.vector_norm(both)
    return normed


def _half(height: int, width: int) -> Tensor:
    """The sum of 1 / j^2 for all j above a pixel's distance from the middle, of length 1."""
    rows, columns = (torch.arange(length) - length // 2 for length in (height, width))
    distances = torch.maximum(rows.abs()[:, None], columns.abs())
    terms = torch.arange(1, max(height, width) // 2 + 2, dtype=torch.float64).square().reciprocal()
    values = terms.flip(0).cumsum(0).flip(0)[distances]
    normed: Tensor = values / torch.linalg.vector_norm(values).clamp_min(_TINY)
    return normed


def placed(patterns: Tensor, corners: Tensor, like: Tensor) -> Tensor:
    """Patterns (N, s, s) with their upper left at `corners` (N, 2), and 0 around: (N, 1, H, W), H and W of `like`."""
    side = patterns.shape[1]
    rows, columns = (
        torch.arange(length, device=patterns.device) - corner[:, None]
        for length, corner in zip(like.shape[2:], corners.unbind(1), strict=True)
    )
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    image = torch.arange(len(patterns), device=patterns.device)[:, None, None]
    values = patterns[image, rows.clamp(0, side - 1)[:, :, None], columns.clamp(0, side - 1)[:, None, :]]
    return (values * inside).unsqueeze(1)


def _squares(steps: Tensor) -> Tensor:
    """Sums of squares of every channel: (N, C, H, W) to (N, C, 1, 1)."""
    return steps.square().sum((2, 3), keepdim=True)


def _column(values: Tensor) -> Tensor:
    """(N,) to (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
