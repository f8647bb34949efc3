"""Shares of images, and how far they may be from the share of all images."""

import math
from dataclasses import dataclass

from scipy.stats import binomtest  # type: ignore[import-untyped]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Proportion:
    """`count` of `images`, at least one."""

    count: int
    images: int

    @property
    def share(self) -> float:
        """In [0, 1]."""
        return self.count / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval: it stays in [0, 1] and is honest at 0 and 1, where the usual one has no width."""
        found = binomtest(self.count, self.images).proportion_ci(CONFIDENCE, method="wilson")
        return float(found.low), float(found.high)


def difference_interval(first: Proportion, second: Proportion) -> tuple[float, float]:
    """The 95 % interval of the first share less the second's, of two samples that are independent of each other.

    Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10, which
    combines both Wilson intervals.
    """
    difference = first.share - second.share
    (low, high), (other_low, other_high) = first.interval, second.interval
    below = math.hypot(first.share - low, other_high - second.share)
    above = math.hypot(high - first.share, second.share - other_low)
    return difference - below, difference + above
