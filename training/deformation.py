"""Small random deformations of training images: a rotation, a shear, a change of scale, a shift, and a smooth warp."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Deformation:
    """How strong the parts are, each as the standard deviation of a normal distribution.

    `rotation` in radians; `shear` and `scale` as parts of the image's side; `shift` in pixels; `warp` in pixels, at
    the nodes of a `grid` x `grid` lattice that a cubic surface goes through (after Simard, Steinkraus & Platt, Best
    Practices for Convolutional Neural Networks, ICDAR 2003).
    """

    rotation: float = 0.1
    shear: float = 0.1
    scale: float = 0.05
    shift: float = 0.2
    warp: float = 0.5
    grid: int = 5

    def times(self, strength: float) -> "Deformation":
        """The same, so many times as strong."""
        parts = ("rotation", "shear", "scale", "shift", "warp")
        return replace(self, **{part: strength * getattr(self, part) for part in parts})

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images (B, C, H, W), each deformed in its own way; what comes in from outside is like the edge.

        `generator` is of the CPU, so that equal seeds deform equally on every device.
        """
        B, _, H, W = images.shape

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(images.device)

        angle, shear = self.rotation * normal(B), self.shear * normal(B)
        across, down = 1 + self.scale * normal(B), 1 + self.scale * normal(B)
        # A sampling grid spans [-1, 1]: half a side is one unit.
        shift = normal(B, 2) * self.shift * torch.tensor([2 / W, 2 / H], device=images.device)
        cosine, sine = angle.cos(), angle.sin()
        rows = (
            torch.stack([cosine * across, (shear - sine) * across, shift[:, 0]], 1),
            torch.stack([sine * down, cosine * down, shift[:, 1]], 1),
        )
        grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        nodes = normal(B, 2, self.grid, self.grid) * self.warp
        warp = F.interpolate(nodes, size=(H, W), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        grid = grid + warp * torch.tensor([2 / W, 2 / H], device=images.device)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
