"""A labelled batch laid out by class, so that every class's own network sees its own images, all in one computation."""

import torch
from torch import Tensor


class ByClass:
    """The B images of a batch in R rows of K columns, one a class; R is how many images the commonest class has."""

    def __init__(self, labels: Tensor, classes: int) -> None:
        """Args:
        labels: (B,) int64 in [0, classes).
        classes: K.
        """
        self.counts = torch.bincount(labels, minlength=classes)
        self._shape = (int(self.counts.max()), classes)
        order = labels.argsort(stable=True)
        places = torch.arange(len(labels), device=labels.device) - (self.counts.cumsum(0) - self.counts)[labels[order]]
        self._slots = torch.empty_like(order)
        self._slots[order] = places * classes + labels[order]

    @property
    def taken(self) -> Tensor:
        """Which places hold an image: (R, K) bool."""
        rows = torch.arange(self._shape[0], device=self.counts.device)
        return rows[:, None] < self.counts

    def spread(self, batch: Tensor) -> Tensor:
        """(B, ...) to (R, K, ...), with zeros where there is no image."""
        empty = batch.new_zeros(self._shape[0] * self._shape[1], *batch.shape[1:])
        places: Tensor = empty.index_copy(0, self._slots, batch).unflatten(0, self._shape)
        return places

    def collect(self, places: Tensor) -> Tensor:
        """The images' part of (R, K, ...), in the batch's order: (B, ...)."""
        return places.flatten(0, 1)[self._slots]
