"""McNemar's test: whether one of two classifiers answers more of the same images right than the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest  # type: ignore[import-untyped]

from training.reports.report_file import Bools

ALPHA = 0.01


@dataclass(frozen=True)
class McNemar:
    """The images that only one of two classifiers answers right; where both agree, nothing is learnt about either."""

    only_first: int
    only_second: int

    @property
    def p_value(self) -> float:
        """Two-sided and exact: how likely the images would be shared out so unevenly if each fell to a fair coin."""
        discordant = self.only_first + self.only_second
        return float(binomtest(self.only_first, discordant).pvalue) if discordant else 1.0


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Compares two classifiers' outcomes (N,) on the same images, in the same order.

    Raises:
        ValueError: the numbers of images differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"second: expected {len(first)} outcomes, got {len(second)}")
    return McNemar(int((first & ~second).sum()), int((~first & second).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values, in the order of `p_values`.

    Calling those below alpha significant is wrong about any of them with a probability of at most alpha. The i-th
    smallest of m is multiplied by m - i + 1, and is never below a smaller one.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
