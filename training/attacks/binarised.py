"""Images made black and white first, as in the binary ABS of Schott et al., Towards the First Adversarially Robust
Neural Network Model on MNIST (ICLR 2019)."""

from typing import Any

import torch
from torch import Tensor, nn


def binarise(images: Tensor) -> Tensor:
    """1 where a value is above a half, else 0."""
    return (images > 0.5).to(images.dtype)


class Binarised(nn.Module):
    """What `base` says of binarised images; the gradient is `base`'s there, as if nothing had been done to them.

    The gradient itself would be 0. This one is the backward pass differentiable approximation of Athalye et al.,
    Obfuscated Gradients Give a False Sense of Security (ICML 2018), section 4.1.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self._base = base
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self._base(_StraightThrough.apply(images))  # type: ignore[no-untyped-call]
        return logits


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:  # noqa: ARG004 - nothing to remember
        return binarise(images)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient
