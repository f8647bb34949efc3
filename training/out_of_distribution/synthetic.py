"""Images that nobody drew: noise, and changes of real images that make something else of them."""

import torch
from torch import Tensor


def synthetic_images(real: Tensor, *, seed: int = 0) -> dict[str, Tensor]:
    """As many images of every kind as there are real ones, (N, C, H, W) float32 in [0, 1] in whole 255ths.

    The noise is uniform in [0, 1], and Gaussian about 0.5 with a standard deviation of 0.5, cut to [0, 1]. Every image
    has its pixels shuffled in an order of its own. Faint ones have a quarter of the contrast. The grey ones have one
    level each, spread from black to white.
    """
    generator = torch.Generator().manual_seed(seed)
    N, pixels = len(real), real[0].numel()
    shuffled = torch.rand(N, pixels, generator=generator).argsort(1)
    levels = torch.linspace(0, 1, N)[:, None, None, None]
    found = {
        "uniform noise": torch.rand(real.shape, generator=generator),
        "Gaussian noise": (0.5 + 0.5 * torch.randn(real.shape, generator=generator)).clamp(0, 1),
        "shuffled pixels": real.flatten(1).gather(1, shuffled).view_as(real),
        "inverted": 1 - real,
        "quarter turn": real.rot90(1, (2, 3)),
        "upside down": real.rot90(2, (2, 3)),
        "faint": real / 4,
        "grey": levels.expand_as(real),
    }
    return {name: (images * 255).round() / 255 for name, images in found.items()}
