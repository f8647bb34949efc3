"""What an attack has found so far."""

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.classifiers import margins


class BestTry:
    """Of all that an attack tries, for each image what is furthest from the answer `labels`, confined to the ball."""

    def __init__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> None:
        self._classifier = classifier
        self._origins = images
        self._labels = labels
        self._ball = ball
        self._margins = torch.full_like(ball.radii, torch.inf)
        self.images = images.clone()

    @property
    def standing(self) -> Tensor:
        """The images that have kept their label so far: indices (n,) int64, ascending."""
        return (self._margins >= 0).nonzero().squeeze(1)

    @torch.no_grad()
    def offer(self, candidates: Tensor, places: Tensor | None = None) -> None:
        """Takes the candidates that are better than what is known.

        Args:
            candidates: (n, C, H, W).
            places: the images (n,) int64 that they are for; all of them, if left out.
        """
        if places is None:
            places = torch.arange(len(self.images), device=self.images.device)
        if len(places) == 0:
            return
        confined = self._ball.select(places).confine(self._origins[places], candidates)
        found = margins(self._classifier(confined), self._labels[places]).to(self._margins)
        better = found < self._margins[places]
        self._margins[places[better]] = found[better]
        self.images[places[better]] = confined[better]
