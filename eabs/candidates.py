"""The candidate bank: where latent inference may start (section 3.3 of Ju & Wagner, AISec 2020).

The same random latents are decoded once by every class. Choosing a start is then one matrix product,
||x - b||^2 + penalty = ||x||^2 - 2 x.b + ||b||^2 + penalty, over all K * N decoded images b.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from eabs.decoding import FoldedDecoders, FoldedDiscriminator

DEFAULT_CANDIDATES = 8000
_DECODE_BATCH = 32

Objective = Literal["score", "distance"]
"""What is minimised: `score` is c - beta log D of (6), `distance` is c alone, for d_k of (7)."""


@dataclass(frozen=True)
class Starts:
    """The best candidates of every image and class: latents (B, S, K, M), objective values (B, S, K)."""

    latents: Tensor
    values: Tensor


class CandidateBank:
    """N latents from the prior, and every class's image of each."""

    def __init__(self, *, latents: Tensor, images: Tensor, penalties: Tensor) -> None:
        """Args:
        latents: (N, M), the candidates' means.
        images: (K, N, C * H * W), each class's reconstruction of each, flattened.
        penalties: (N,), -beta log D of each.
        """
        self.latents = latents
        self.images = images
        self.penalties = penalties
        norms = torch.linalg.vector_norm(images, dim=2).square()
        self._offsets = {"distance": norms.flatten(), "score": (norms + penalties).flatten()}

    @classmethod
    def decode(
        cls, decoders: FoldedDecoders, discriminator: FoldedDiscriminator, *, count: int, seed: int
    ) -> "CandidateBank":
        """Draws `count` latents from N(0, I) by `seed`, the same on every device, and decodes them."""
        architecture = decoders.architecture
        generator = torch.Generator().manual_seed(seed)
        latents = torch.randn(count, architecture.latent, generator=generator).to(decoders.device)
        images = latents.new_empty(architecture.classes, count, architecture.pixels)
        with torch.inference_mode():
            for first in range(0, count, _DECODE_BATCH):
                batch = latents[first : first + _DECODE_BATCH]
                decoded = decoders.decode(batch.unsqueeze(1).expand(-1, architecture.classes, -1))
                images[:, first : first + _DECODE_BATCH] = decoded.flatten(2).transpose(0, 1)
            return cls(latents=latents, images=images, penalties=discriminator.penalty(latents))

    def __len__(self) -> int:
        return len(self.latents)

    def search(self, images: Tensor, count: int, objective: Objective) -> Starts:
        """The `count` best candidates of every class for every image.

        Args:
            images: (B, C, H, W).
            count: S, how many a class.
            objective: what "best" means.
        """
        flat = images.flatten(1)
        K, N = self.images.shape[:2]
        values = torch.addmm(self._offsets[objective], flat, self.images.flatten(0, 1).T, alpha=-2)
        best, indices = values.view(-1, K, N).topk(count, dim=2, largest=False)
        values = best + flat.square().sum(1)[:, None, None]
        return Starts(latents=self.latents[indices].transpose(1, 2), values=values.transpose(1, 2))
