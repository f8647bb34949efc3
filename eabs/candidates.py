"""The candidate bank: where latent inference may start (section 3.3 of Ju & Wagner, AISec 2020).

The same random latents are decoded once by every class. Choosing a start is then one matrix product,
||x - b||^2 + penalty = ||x||^2 - 2 x.b + ||b||^2 + penalty, over all K * N decoded images b.

A start need be good, not the very best, and the product reads the whole bank. So images are kept as D coordinates
on the principal components of the bank. With m the bank's mean, P the projection and r_x, r_b what it leaves of
x - m and b - m,

    ||x - b||^2 = ||x - m||^2 - 2 P(x - m).P(b - m) + ||b - m||^2 - 2 r_x.r_b,

of which the last term alone is left out: it is at most 2 ||r_x|| ||r_b||.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from eabs.blocks import in_blocks
from eabs.decoding import FoldedDecoders
from eabs.penalty import Penalty
from eabs.workers import Workers

DEFAULT_CANDIDATES = 8000
COMPONENTS = 64
_DECODE_BATCH = 8
_SEARCH_HEIGHT = 4
_SAMPLE = 8000  # images that the components are fitted to
_SUBSPACE_ITERATIONS = 6

Objective = Literal["score", "distance"]
"""What is minimised: `score` is c and the penalty of (6) or (2), `distance` is c alone, for d_k of (7)."""


@dataclass(frozen=True)
class Starts:
    """The best candidates of every image and class, the best first.

    `latents` (B, S, K, M); `values` (B, S, K), the objective there, estimated; `bounds` (B, S, K), which the
    objective there does not exceed.
    """

    latents: Tensor
    values: Tensor
    bounds: Tensor


class CandidateBank:
    """N latents from the prior, and every class's image of each, projected."""

    def __init__(
        self,
        *,
        latents: Tensor,
        penalties: Tensor,
        mean: Tensor,
        components: Tensor,
        coordinates: Tensor,
        norms: Tensor,
        residuals: Tensor,
    ) -> None:
        """Args:
        latents: (N, M), the candidates' means.
        penalties: (N,), of each, or (K, N) where every class has its own.
        mean: (P,), P = C * H * W, the mean image m of the bank.
        components: (D, P), orthonormal.
        coordinates: (K, N, D), P(b - m) of every class's reconstruction b of each.
        norms: (K, N), ||b - m||^2.
        residuals: (K, N), ||r_b||.
        """
        self.latents = latents
        self.penalties = penalties
        self.mean = mean
        self.components = components
        self.coordinates = coordinates
        self.norms = norms
        self.residuals = residuals
        self._offsets = {"distance": norms.flatten(), "score": (norms + penalties).flatten()}

    @classmethod
    def decode(
        cls,
        decoders: FoldedDecoders,
        penalty: Penalty,
        *,
        count: int,
        seed: int,
        workers: Workers,
        components: int = COMPONENTS,
    ) -> "CandidateBank":
        """Draws `count` latents from N(0, I) by `seed`, the same on every device, decodes and projects them."""
        generator = torch.Generator().manual_seed(seed)
        latents = torch.randn(count, decoders.architecture.latent, generator=generator).to(decoders.device)
        few = latents[: max(1, _SAMPLE // decoders.architecture.classes)]
        sample = torch.cat(workers.map(partial(_decode, decoders), few.split(_DECODE_BATCH)))
        ((mean, basis),) = workers.map(partial(_principal_components, count=components), [sample.flatten(0, 1)])

        def project(batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            images = _decode(decoders, batch) - mean
            projected = images @ basis.T
            residuals = torch.linalg.vector_norm(images - projected @ basis, dim=2)
            return projected, images.square().sum(2), residuals

        parts = workers.map(project, latents.split(_DECODE_BATCH))
        coordinates, norms, residuals = (
            torch.cat(part).transpose(0, 1).contiguous() for part in zip(*parts, strict=True)
        )
        (penalties,) = workers.map(penalty.by_class, [latents])
        return cls(
            latents=latents,
            penalties=penalties,
            mean=mean,
            components=basis,
            coordinates=coordinates,
            norms=norms,
            residuals=residuals,
        )

    def __len__(self) -> int:
        return len(self.latents)

    def search(self, images: Tensor, count: int, objective: Objective) -> Starts:
        """The `count` best candidates of every class for every image.

        Args:
            images: (B, C, H, W).
            count: S, how many a class.
            objective: what "best" means.
        """
        centred = images.flatten(1) - self.mean
        projected = in_blocks(lambda rows: rows @ self.components.T, centred, _SEARCH_HEIGHT)
        K, N, D = self.coordinates.shape
        bank, offsets = self.coordinates.view(K * N, D).T, self._offsets[objective]
        values = in_blocks(lambda rows: torch.addmm(offsets, rows, bank, alpha=-2), projected, _SEARCH_HEIGHT)
        values = values.view(-1, K, N)
        if count == 1:
            best, indices = (found.unsqueeze(2) for found in values.min(2))
        else:
            best, indices = values.topk(count, dim=2, largest=False)
        # As many squares are left out of an image as its projection is short.
        outside = (centred.square().sum(1) - projected.square().sum(1)).clamp_min_(0).sqrt_()
        values = best + centred.square().sum(1)[:, None, None]
        classes = torch.arange(K, device=indices.device)[:, None]
        bounds = values + 2 * outside[:, None, None] * self.residuals[classes, indices]
        return Starts(
            latents=self.latents[indices].transpose(1, 2),
            values=values.transpose(1, 2),
            bounds=bounds.transpose(1, 2),
        )


def _principal_components(images: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The mean (P,) and about the first `count` components (D, P) of images (N, P).

    By subspace iteration from a few of the images themselves, so that nothing is random.
    """
    mean = images.mean(0)
    centred = images - mean
    count = min(count, centred.shape[1])
    basis = centred[torch.linspace(0, len(centred) - 1, count, device=centred.device).long()].T
    for _ in range(_SUBSPACE_ITERATIONS):
        basis, _ = torch.linalg.qr(centred.T @ (centred @ basis))
    return mean, basis.T.contiguous()


def _decode(decoders: FoldedDecoders, latents: Tensor) -> Tensor:
    """All classes' images of latents (B, M), flattened: (B, K, P)."""
    return decoders.decode(latents.unsqueeze(1).expand(-1, decoders.architecture.classes, -1)).flatten(2)
