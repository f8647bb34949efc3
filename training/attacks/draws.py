"""Random numbers for each image by itself."""

import hashlib

import torch
from torch import Tensor

from training.attacks.ball import Ball


class Draws:
    """What is drawn for an image depends on the seed and on its pixels: not on its neighbours, nor on its place."""

    def __init__(self, images: Tensor, seed: int) -> None:
        """Args:
        images: (N, C, H, W) float32.
        seed: any integer.
        """
        self._like = images
        key = str(seed).encode()
        self._generators = [
            torch.Generator().manual_seed(_number(key, image.numpy().tobytes())) for image in images.cpu().contiguous()
        ]

    def normal(self, places: Tensor) -> Tensor:
        """Standard normal noise for the images `places` (n,) int64: (n, C, H, W)."""
        shape = self._like.shape[1:]
        found = [torch.randn(shape, generator=self._generators[place]) for place in places.tolist()]
        return torch.stack(found).to(self._like) if found else self._like[:0]

    def uniform(self, places: Tensor, count: int) -> Tensor:
        """Numbers of [0, 1) for the images `places` (n,) int64: (n, count) float64."""
        found = [torch.rand(count, generator=self._generators[place]) for place in places.tolist()]
        return torch.stack(found).to(self._like.device, torch.float64) if found else torch.empty(0, count)

    def points(self, places: Tensor, ball: Ball) -> Tensor:
        """Points for the images `places` (n,) int64, uniform in the ball around them, clipped to [0, 1].

        The L2 ball's are those of Voelker et al., Efficiently sampling vectors and coordinates from the n-sphere and
        n-ball (2017): of a point on a sphere in two dimensions more, the last two coordinates are dropped.
        """
        origins = self._like[places]
        if len(places) == 0:
            return origins
        dimension = origins[0].numel()
        drawn = []
        for place in places.tolist():
            if ball.norm == "linf":
                drawn.append(2 * torch.rand(dimension, generator=self._generators[place]) - 1)
            else:
                sphere = torch.randn(dimension + 2, generator=self._generators[place])
                drawn.append((sphere / sphere.norm())[:-2])
        radii = ball.select(places).radii.to(origins).view(-1, 1, 1, 1)
        points = origins + radii * torch.stack(drawn).to(origins).view_as(origins)
        return points.clamp(0, 1)


def _number(*parts: bytes) -> int:
    """64 bits of a digest; a generator takes them as a signed number."""
    return int.from_bytes(hashlib.blake2b(b"/".join(parts), digest_size=8).digest(), "big", signed=True)
