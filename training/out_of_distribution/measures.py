"""How well a number separates images: the larger it is, the more unusual the image."""

import math

import torch
from torch import Tensor


def auroc(inside: Tensor, outside: Tensor) -> float:
    """Area under the receiver operating characteristic: how probable it is that an image from outside is more unusual
    than one from inside, ties counting half (the Mann-Whitney statistic).

    Args:
        inside: (N,) how unusual images of the training data's kind are.
        outside: (M,) the same of others.

    Raises:
        ValueError: one of them is empty, or holds NaN.
    """
    _check(inside, outside)
    ordered = inside.sort().values
    # Of each image from outside: how many from inside are less unusual, and how many at most as unusual.
    below, up_to = (torch.searchsorted(ordered, outside.contiguous(), right=right) for right in (False, True))
    return ((below + up_to).double().mean() / (2 * len(inside))).item()


def false_positive_rate(inside: Tensor, outside: Tensor, *, true_positive_rate: float = 0.95) -> float:
    """The share of images from outside that is kept where a threshold keeps this share of those from inside, at least.

    To keep is the positive answer here, as is usual (Liang, Li & Srikant, ICLR 2018). Arguments and errors as `auroc`.
    """
    _check(inside, outside)
    kept = math.ceil(true_positive_rate * len(inside))
    threshold = inside.sort().values[kept - 1]
    return (outside <= threshold).double().mean().item()


def _check(inside: Tensor, outside: Tensor) -> None:
    for name, values in (("inside", inside), ("outside", outside)):
        if len(values) == 0:
            raise ValueError(f"{name}: expected at least one image")
        if values.isnan().any():
            raise ValueError(f"{name}: expected numbers, got NaN")
