"""What gradient attacks climb: of logits (N, K) and labels (N,), in float64, (N,)."""

import torch
from torch import Tensor

from training.attacks.classifiers import margins


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """log(e^loss - 1) of the cross-entropy, which rises where the loss does, by gradients of the same direction.

    An attack that compares losses, and steps by a gradient's direction, does the same with it; but it does not vanish
    where a classifier is sure, as the loss does: scores are squared distances over all pixels, and often e^-100 apart.
    """
    logits = logits.double()
    own = logits.gather(1, labels[:, None]).squeeze(1)
    return logits.scatter(1, labels[:, None], -torch.inf).logsumexp(1) - own


def logits_ratio(logits: Tensor, labels: Tensor) -> Tensor:
    """The difference of logits ratio, equation (6) of Croce & Hein (ICML 2020): above 0 where another class wins.

    Of two classes the ratio is 1 or -1 everywhere; there the difference is taken by itself.
    """
    logits = logits.double()
    difference = -margins(logits, labels)
    if logits.shape[1] < 3:
        return difference
    best = logits.topk(3, dim=1).values
    return difference / _scale(best[:, 0] - best[:, 2])


def targeted_logits_ratio(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Its targeted form, equation (7): above 0 where the target (N,) is ahead of the label.

    Of three classes or fewer, which have no fourth, the difference is taken by itself.
    """
    logits = logits.double()
    difference = (logits.gather(1, targets[:, None]) - logits.gather(1, labels[:, None])).squeeze(1)
    if logits.shape[1] < 4:
        return difference
    best = logits.topk(4, dim=1).values
    return difference / _scale(best[:, 0] - (best[:, 2] + best[:, 3]) / 2)


def _scale(values: Tensor) -> Tensor:
    return values.clamp_min(torch.finfo(values.dtype).eps)
