"""A classifier that knows what it was asked."""

import torch
from torch import Tensor, nn


class Counting(nn.Module):
    """The same logits; `asked` are the batches that they were asked for."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.asked: list[Tensor] = []
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        self.asked.append(images.detach())
        logits: Tensor = self.base(images)
        return logits

    @property
    def count(self) -> int:
        """Images."""
        return sum(len(batch) for batch in self.asked)

    def about(self, image: Tensor, radius: float) -> int:
        """How many of the images lie within an L2 radius of `image` (C, H, W)."""
        every = torch.cat(self.asked)
        return int(((every - image).flatten(1).norm(dim=1) <= radius).sum())
