"""Which images each step of a run takes, and which seed its draws have.

Both are made of the run's seed and the step's or the epoch's number alone: a resumed run needs no generator state to
repeat what an undisturbed one does, bit for bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from training.run_recipe import RunRecipe


@dataclass(frozen=True)
class Step:
    """One update: its `number` from 0, the `epoch` that it is in from 0, the `indices` (B,) int64 of its images on the
    CPU, and whether the epoch ends with it."""

    number: int
    epoch: int
    indices: Tensor
    ends_epoch: bool


class Steps:
    """All steps of a run: each epoch goes through the images in an order of its own, in whole batches."""

    def __init__(self, recipe: RunRecipe, images: int) -> None:
        """Raises:
        ValueError: there are fewer images than a batch has.
        """
        if images < recipe.batch:
            raise ValueError(f"batch: expected at most the {images} training images, got {recipe.batch}")
        self._recipe = recipe
        self._images = images
        self.per_epoch = images // recipe.batch
        self.total = self.per_epoch * recipe.epochs

    def after(self, done: int) -> Iterator[Step]:
        """The steps that are left once `done` of them are done."""
        batch = self._recipe.batch
        for epoch in range(done // self.per_epoch, self._recipe.epochs):
            order = self._order(epoch)
            first = epoch * self.per_epoch
            for number in range(max(done, first), first + self.per_epoch):
                place = number - first
                indices = order[place * batch : (place + 1) * batch]
                yield Step(number, epoch, indices, ends_epoch=place + 1 == self.per_epoch)

    def seed(self, step: int) -> int:
        """Of what is drawn in a step."""
        return _seed(self._recipe.seed, step, stream=0)

    def _order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(_seed(self._recipe.seed, epoch, stream=1))
        return torch.randperm(self._images, generator=generator)


def _seed(seed: int, number: int, *, stream: int) -> int:
    # Distinct for every (run, stream, number) that occurs: steps stay far below 2^40.
    return (seed * 2 + stream << 40) + number
