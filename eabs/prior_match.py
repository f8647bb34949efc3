"""How far a batch of latents is from the prior, without a discriminator: an addition to the paper's objective.

Sliced Wasserstein distance: Kolouri et al., Sliced Wasserstein Auto-Encoders (ICLR 2019).
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class PriorDraw:
    """As many samples of the prior N(0, I) as there are latents, (N, M), and S random directions to look along, (S, M),
    of any length."""

    samples: Tensor
    directions: Tensor

    def distance(self, latents: Tensor) -> Tensor:
        """The squared sliced Wasserstein distance of latents (N, M) from the samples, a scalar.

        Along a direction two samples of equal size are nearest when matched in order; the mean of their squared
        distances over all directions, 0 where they agree.
        """
        directions = F.normalize(self.directions, dim=1)
        seen, expected = (points @ directions.T for points in (latents, self.samples))
        return F.mse_loss(seen.sort(dim=0).values, expected.sort(dim=0).values)
