"""One judge, images from inside and several sets from outside: who is told from whom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from training.out_of_distribution.judges import Judge
from training.out_of_distribution.measures import auroc, false_positive_rate


@dataclass(frozen=True)
class Separation:
    """How well a measure tells `images` of one set from the inside.

    `auroc` and `false_positive_rate`, where 95 % of the inside are kept, are as `measures` defines them; `rejected`,
    the share that its threshold rejects, is None where it has none.
    """

    images: int
    auroc: float
    false_positive_rate: float
    rejected: float | None


@dataclass(frozen=True)
class Comparison:
    """Of one measure: how many `images` are from inside, what share of them is rejected, and each set from outside."""

    images: int
    rejected: float | None
    against: dict[str, Separation]


def compare(
    judge: Judge,
    inside: Tensor,
    outside: Mapping[str, Tensor],
    *,
    most: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, Comparison]:
    """Judges images (N, C, H, W), float32 in [0, 1], from inside and outside.

    Args:
        judge: tells how unusual images are, by one or more measures.
        inside: images of the training data's kind.
        outside: others, by name.
        most: as many of each set at most, spread evenly over it; all if None.
        advance: told how many more images are done.

    Returns:
        What each of the judge's measures is worth.
    """
    known = judge(spread(inside, most), advance)
    found = {name: judge(spread(images, most), advance) for name, images in outside.items()}
    return {
        measure: Comparison(
            images=len(own.unusual),
            rejected=_share(own.rejected),
            against={
                name: Separation(
                    images=len(judgements[measure].unusual),
                    auroc=auroc(own.unusual, judgements[measure].unusual),
                    false_positive_rate=false_positive_rate(own.unusual, judgements[measure].unusual),
                    rejected=_share(judgements[measure].rejected),
                )
                for name, judgements in found.items()
            },
        )
        for measure, own in known.items()
    }


def spread(images: Tensor, most: int | None) -> Tensor:
    """At most so many of the images, at even distances: a file's first images may be easier than its last."""
    if most is None or len(images) <= most:
        return images
    return images[torch.arange(most) * len(images) // most]


def _share(rejected: Tensor | None) -> float | None:
    return None if rejected is None else rejected.double().mean().item()
