"""What every attack keeps to: an L2 ball with a radius of its own for each image, and [0, 1]."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from training.attacks.classifiers import margins

Attack = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]
"""(classifier, images, labels, radii) to attacked images, each the attack's best try at another answer than its label.

- classifier: images (N, C, H, W) to logits (N, K), in eval mode, on the images' device.
- images: (N, C, H, W) float32 in [0, 1].
- labels: (N,) int64, the answers that are to change.
- radii: (N,) float64, above 0; L2 in [0, 1] pixels.

The attacked images are float32, in [0, 1] and, measured in float64, no further from the images than the radii,
whether the answer changes or not.
"""

_TRIES = 40
_ROUNDS = 6


def l2_distances(images: Tensor, others: Tensor) -> Tensor:
    """||x - x'||_2 of images (N, C, H, W) and others alike, in float64: (N,)."""
    distances: Tensor = torch.linalg.vector_norm((images.double() - others.double()).flatten(1), dim=1)
    return distances


def confine(images: Tensor, candidates: Tensor, radii: Tensor) -> Tensor:
    """The candidates drawn towards the images until they are in [0, 1] and within the radii.

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        candidates: (N, C, H, W); where one is not finite, the image stands in for it.
        radii: (N,) float64.

    Returns:
        (N, C, H, W) float32.
    """
    steps = candidates.double().clamp(0, 1) - images.double()
    finite = steps.flatten(1).isfinite().all(1)
    steps = torch.where(_column(finite), steps, 0)
    lengths = torch.linalg.vector_norm(steps.flatten(1), dim=1)
    shares = (radii / lengths.clamp_min(torch.finfo(torch.float64).tiny)).clamp_max(1)
    hair = torch.finfo(torch.float32).eps
    for _ in range(_TRIES):
        confined = (images.double() + _column(shares) * steps).float().clamp(0, 1)
        # Rounding to float32 may have led out of the ball again.
        outside = l2_distances(images, confined) > radii
        if not outside.any():
            return confined
        shares = torch.where(outside, shares * (1 - hair), shares)
        hair = min(2 * hair, 0.5)
    return torch.where(_column(outside), images, confined)


def stride(images: Tensor, directions: Tensor, radii: Tensor) -> Tensor:
    """The images moved along the directions, clipped to [0, 1], as far as the radii allow.

    Where pixels are clipped, the others go further, so that the whole radius is used if the box lets it.

    Args:
        images: (N, C, H, W) float32 in [0, 1].
        directions: (N, C, H, W), of any length.
        radii: (N,) float64.
    """
    tiny = torch.finfo(torch.float64).tiny
    directions = directions.double()
    factors = radii / torch.linalg.vector_norm(directions.flatten(1), dim=1).clamp_min(tiny)
    for _ in range(_ROUNDS):
        moved = (images.double() + _column(factors) * directions).clamp(0, 1)
        factors = factors * (radii / l2_distances(images, moved).clamp_min(tiny)).clamp(1, 10)
    return confine(images, images.double() + _column(factors) * directions, radii)


class BestTry:
    """Of all that an attack tries, for each image what is furthest from the answer `labels`, confined."""

    def __init__(self, classifier: nn.Module, images: Tensor, labels: Tensor, radii: Tensor) -> None:
        self._classifier = classifier
        self._origins = images
        self._labels = labels
        self._radii = radii
        self._margins = torch.full_like(radii, torch.inf)
        self.images = images.clone()

    @torch.no_grad()
    def offer(self, candidates: Tensor) -> None:
        """Takes the candidates (N, C, H, W) that are better than what is known."""
        confined = confine(self._origins, candidates, self._radii)
        found = margins(self._classifier(confined), self._labels).to(self._margins)
        better = found < self._margins
        self._margins = torch.where(better, found, self._margins)
        self.images = torch.where(_column(better), confined, self.images)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Foolbox draws from torch's global generators: seeded inside, and outside as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _column(values: Tensor) -> Tensor:
    """(N,) to (N, 1, 1, 1)."""
    return values.view(-1, 1, 1, 1)
