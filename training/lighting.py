"""Other lighting of training images: brighter or darker, of more or less contrast, a little tinted."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Lighting:
    """How strong the parts are, each as the standard deviation of a normally distributed logarithm of a factor.

    `brightness` of all pixels; `contrast` of each channel's difference from its mean; `tint` of each channel by itself.
    """

    brightness: float = 0.35
    contrast: float = 0.25
    tint: float = 0.05

    def times(self, strength: float) -> "Lighting":
        """The same, so many times as strong."""
        parts = ("brightness", "contrast", "tint")
        return replace(self, **{part: strength * getattr(self, part) for part in parts})

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images (B, C, H, W) in [0, 1], each lit in its own way and clipped to [0, 1], as a camera does.

        `generator` is of the CPU, so that equal seeds light equally on every device.
        """
        B, C = images.shape[:2]

        def factor(deviation: float, channels: int) -> Tensor:
            return (deviation * torch.randn(B, channels, 1, 1, generator=generator)).exp().to(images.device)

        gain = factor(self.brightness, 1) * factor(self.tint, C)
        mean = images.mean((2, 3), keepdim=True)
        return ((images - mean) * factor(self.contrast, 1) + mean).mul(gain).clamp(0, 1)
