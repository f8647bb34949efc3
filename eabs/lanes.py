"""Lanes: one image tried by one class from one start, and how lanes are laid out for the decoders.

The decoders compute rows of groups (`eabs/decoding.py`). While every class is tried for every image, a row is an
image and a group a class. Once lanes end at different times, those that remain are packed anew, so that no time
goes into lanes that have ended.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from eabs.candidates import Objective
from eabs.decoding import MAX_CPU_ROWS, MIN_CPU_GROUPS, FoldedDecoders
from eabs.penalty import Penalty
from eabs.quasi_newton import QuasiNewton

# What a group costs beside its rows (its weights are copied), in units of a decoded row.
_GROUP_COST = 0.5


@dataclass(frozen=True)
class Packing:
    """Where lanes lie among R rows of G groups: `slots` (L,) int64 in [0, R * G); the class of each group (G,)."""

    rows: int
    slots: Tensor
    group_classes: Tensor


def pack(lane_classes: Tensor, classes: int) -> Packing:
    """Packs lanes of classes (L,) int64 into the number of rows that wastes least; for a CPU."""
    counts = torch.bincount(lane_classes, minlength=classes)
    choices = range(1, min(int(counts.max()), MAX_CPU_ROWS) + 1)
    costs = [int(((counts + r - 1) // r).sum()) * (r + _GROUP_COST) for r in choices]
    rows = choices[costs.index(min(costs))]
    columns = (counts + rows - 1) // rows
    if int(columns.sum()) < MIN_CPU_GROUPS:
        columns = torch.where(columns > 0, MIN_CPU_GROUPS, 0)
    return _lay_out(lane_classes, counts, rows, columns)


def spread_out(lane_classes: Tensor, classes: int) -> Packing:
    """Packs lanes of classes (L,) int64 into one group for every class and a power of two of rows; for a GPU.

    It is wide enough not to gain from less, the weights are never copied, and few shapes occur.
    """
    counts = torch.bincount(lane_classes, minlength=classes)
    rows = 1 << (int(counts.max()) - 1).bit_length()
    return _lay_out(lane_classes, counts, rows, torch.ones_like(counts))


def _lay_out(lane_classes: Tensor, counts: Tensor, rows: int, columns: Tensor) -> Packing:
    order = lane_classes.argsort(stable=True)
    ordered = lane_classes[order]
    place = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[ordered]
    column = (columns.cumsum(0) - columns)[ordered] + place // rows
    group_classes = torch.arange(len(counts), device=counts.device).repeat_interleave(columns)
    slots = torch.empty_like(order)
    slots[order] = (place % rows) * len(group_classes) + column
    return Packing(rows, slots, group_classes)


class LaneObjective:
    """c(x, G_k(z)) and the penalty, or c alone, for L lanes, and its gradient to their latents."""

    def __init__(
        self,
        decoders: FoldedDecoders,
        penalty: Penalty,
        *,
        targets: Tensor,
        classes: Tensor,
        objective: Objective,
    ) -> None:
        """Args:
        decoders: one group for every class.
        penalty: of latents far from the prior.
        targets: every lane's image, flattened, (L, P).
        classes: every lane's class, (L,) int64.
        objective: whether the penalty counts.
        """
        K = decoders.architecture.classes
        packing = (spread_out if classes.is_cuda else pack)(classes, K)
        groups = packing.group_classes
        self._decoders = decoders if len(groups) == K and bool((groups.diff() == 1).all()) else decoders.select(groups)
        self._penalty = penalty
        self._classes = classes
        self._objective = objective
        self._shape = (packing.rows, len(groups))
        self._slots = packing.slots
        # A slot without a lane aims at black; nobody reads what comes of it.
        self._targets = self._spread(targets).view(*self._shape, *decoders.architecture.image)

    @property
    def size(self) -> int:
        """Slots computed at every call, taken or not."""
        return self._shape[0] * self._shape[1]

    def keep(self, lanes: Tensor) -> None:
        """Forgets all lanes but `lanes` (L',) int64; those left keep their slots."""
        self._slots = self._slots[lanes]
        self._classes = self._classes[lanes]

    def aim(self, slots: Tensor, targets: Tensor) -> None:
        """Gives the lanes in slots (L,) other images (L, P)."""
        self._targets.view(self.size, -1).index_copy_(0, slots, targets)

    def step(self, lanes: QuasiNewton) -> None:
        """Advances the lanes."""
        lanes.accept(*self.values_and_gradients(lanes.propose()))

    def close(self) -> None:
        """Nothing is held that others could use."""

    def values(self, latents: Tensor) -> Tensor:
        """The objective (L,) at latents (L, M); autograd can track it, to the latents and to the targets."""
        images = self._decoders.decode(self._spread(latents).view(*self._shape, -1))
        costs: Tensor = torch.linalg.vector_norm((images - self._targets).flatten(2), dim=2).square()
        costs = costs.flatten()[self._slots]
        return costs if self._objective == "distance" else costs + self._penalty.penalty(latents, self._classes)

    def values_and_gradients(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The objective (L,) at latents (L, M), and its gradient (L, M)."""
        images, pullback = self._decoders.decode_with_pullback(self._spread(latents).view(*self._shape, -1))
        residuals = images - self._targets
        costs = torch.linalg.vector_norm(residuals.flatten(2), dim=2).square_().flatten()[self._slots]
        gradients = pullback(residuals.mul_(2)).flatten(0, 1)[self._slots]
        if self._objective == "distance":
            return costs, gradients
        penalties, penalty_gradients = self._penalty.penalty_with_gradient(latents, self._classes)
        return costs + penalties, gradients + penalty_gradients

    def _spread(self, lanes: Tensor) -> Tensor:
        """Rows (L, ...) put into their slots (R * G, ...)."""
        slots = lanes.new_zeros(self.size, lanes.shape[1])
        return slots.index_copy_(0, self._slots, lanes)
