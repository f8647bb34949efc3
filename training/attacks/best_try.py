"""What an attack has found so far, and what it need not ask any more."""

from contextlib import suppress

import torch
from torch import Tensor, nn

from training.attacks.attack import Attack
from training.attacks.ball import Ball
from training.attacks.classifiers import margins

# How far another class is to be ahead of the label, as a share of what the label was ahead by at the image itself. Who
# decides whether an attack succeeded may look closer than the logits that it saw: just across the boundary, the two
# would often disagree.
_CLEARLY = 0.1


class BestTry:
    """Of all that an attack tries inside the ball, for each image what is furthest from the answer `labels`.

    An image has fallen when another class is clearly ahead: nobody is asked about it again.
    """

    def __init__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> None:
        self._classifier = classifier
        self._origins = images
        self._labels = labels
        self._ball = ball
        self.images = images.clone()
        with torch.no_grad():
            self._margins = margins(classifier(images), labels).to(ball.radii)
        self._enough = -_CLEARLY * self._margins.clamp_min(0)

    @property
    def standing(self) -> Tensor:
        """The images that have not fallen yet: indices (n,) int64, ascending."""
        return (~self._fallen).nonzero().squeeze(1)

    def offer(self, candidates: Tensor) -> None:
        """Confines candidates (N, C, H, W), and of the images that are standing takes those that are better."""
        places = self.standing
        self._offer(places, candidates[places])

    def pursue(self, run: Attack, among: Tensor | None = None) -> None:
        """One run of an attack on the images that are standing, which need not keep to the ball.

        Everything that it asks about is taken notice of. About an image that falls on the way it is told again what it
        heard last, without a gradient; it ends with the last image's fall. What it returns is offered, and so is what
        lies in the same direction at the end of the radius.

        Args:
            run: asks about all of its images at once, in their order.
            among: (N,) bool, which images to pursue; all of them, if left out.
        """
        places = self.standing
        if among is not None:
            places = places[among[places]]
        if len(places) == 0:
            return
        images, ball = self._origins[places], self._ball.select(places)
        with suppress(_NobodyStands):
            found = run(_Watched(self, places), images, self._labels[places], ball)
            # What was found may be just across the boundary: the rest of the radius leads clear of it.
            for candidates in (found, ball.stride(images, found - images)):
                self._offer(places, candidates)

    @property
    def _fallen(self) -> Tensor:
        return (self._margins < 0) & (self._margins <= self._enough)

    @torch.no_grad()
    def _offer(self, places: Tensor, candidates: Tensor) -> None:
        standing = ~self._fallen[places]
        places, candidates = places[standing], candidates[standing]
        if len(places):
            confined = self._ball.select(places).confine(self._origins[places], candidates)
            self._take(places, confined, self._classifier(confined))

    def _take(self, places: Tensor, images: Tensor, logits: Tensor) -> None:
        """Notes what was answered at images (n, C, H, W) float32, where they are allowed and better."""
        found = margins(logits, self._labels[places]).to(self._margins)
        inside = self._ball.select(places).distances(self._origins[places], images) <= self._ball.radii[places]
        allowed = inside & ((images >= 0) & (images <= 1)).flatten(1).all(1)
        better = allowed & (found < self._margins[places])
        self._margins[places[better]] = found[better]
        self.images[places[better]] = images[better]

    def _ask(self, places: Tensor, images: Tensor) -> Tensor:
        """Logits (n, K) at images for `places`, of which notice is taken."""
        logits: Tensor = self._classifier(images)
        with torch.no_grad():
            self._take(places, images.detach(), logits.detach())
        return logits

    def _stand(self, places: Tensor) -> Tensor:
        return ~self._fallen[places]


class _Watched(nn.Module):
    """The classifier as a run asks it about the images `places`, again and again."""

    def __init__(self, best: BestTry, places: Tensor) -> None:
        super().__init__()
        self._best = best
        self._places = places
        self._heard: Tensor | None = None
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        standing = self._best._stand(self._places)
        if not standing.any():
            raise _NobodyStands
        logits = self._best._ask(self._places[standing], images.float()[standing])
        if self._heard is None:
            self._heard = logits.detach().clone()
            return logits
        self._heard = self._heard.clone()
        self._heard[standing] = logits.detach()
        return logits if standing.all() else self._heard.index_put((standing.nonzero().squeeze(1),), logits)


class _NobodyStands(Exception):  # noqa: N818
    """A run has nobody left to pursue."""
