"""Where attacks start that walk along the decision boundary."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def nearest_other_class(pool: Tensor, classifier: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The L2-nearest images of a pool that are not answered `labels`, and whether there is one at all.

    Args:
        pool: (P, C, H, W) float32 in [0, 1].
        classifier: images to logits.
        images: (N, C, H, W).
        labels: (N,) int64.

    Returns:
        (N, C, H, W), and (N,) bool: where there is none, the start is any image of the pool.
    """
    pool = pool.to(images)
    answers = torch.cat([classifier(part).argmax(1) for part in pool.split(len(images))])
    distances = torch.cdist(images.flatten(1), pool.flatten(1))
    nearest = distances.masked_fill(answers == labels[:, None], torch.inf).min(1)
    return pool[nearest.indices], nearest.values.isfinite()
