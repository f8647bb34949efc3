"""Square attack: Andriushchenko et al., Square Attack: a query-efficient black-box adversarial attack via random search
(ECCV 2020). It sees nothing but logits: a gradient that misleads does not mislead it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.attacks.ball import Ball
from training.attacks.best_try import BestTry
from training.attacks.classifiers import margins
from training.attacks.draws import Draws
from training.attacks.squares import PROPOSALS

# After which of 10,000 queries the squares' area is halved (section 5); for fewer queries, sooner.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULED = 10_000


@dataclass(frozen=True, kw_only=True)
class Square:
    """`queries` random squares for each image that stands; those are kept that bring another class nearer.

    `area`: the first squares' share of the image; AutoAttack's, if left out.
    """

    queries: int = 5000
    area: float = 0.8
    seed: int = 0

    @torch.no_grad()
    def __call__(self, classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        """An `Attack`."""
        best, draws = BestTry(classifier, images, labels, ball), Draws(images, self.seed)
        places = best.standing

        def run(classifier: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
            proposals = PROPOSALS[ball.norm](images, ball, lambda count: draws.uniform(places, count))
            found = proposals.first()
            least = margins(classifier(found), labels)
            for query in range(1, self.queries):
                proposed = proposals.next(found, self.area_at(query))
                reached = margins(classifier(proposed), labels)
                better = reached < least
                least = torch.where(better, reached, least)
                found = torch.where(better.view(-1, 1, 1, 1), proposed, found)
            return found

        best.pursue(run)
        return best.images

    def area_at(self, query: int) -> float:
        """A square's share of the image."""
        scheduled = query * _SCHEDULED // self.queries
        return math.ldexp(self.area, -sum(scheduled > halving for halving in _HALVINGS))
