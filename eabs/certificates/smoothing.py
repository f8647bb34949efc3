"""Randomized smoothing, CERTIFY and PREDICT of Cohen, Rosenfeld & Kolter (ICML 2019), section 3.2.

A base classifier f gives the smoothed classifier g(x) = argmax_c P(f(x + N(0, sigma^2 I)) = c). If g's class at x has
a probability of at least p > 1/2, then g answers the same at every image nearer to x than sigma * Phi^-1(p) in L2
(Theorem 1, with p_B <= 1 - p). p is estimated by sampling f, so whatever is said of g is said with a confidence.

Nothing here speaks of f, whose own answer may differ from g's and may change at any distance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.special import betainc, betaincinv, ndtri  # type: ignore[import-untyped]
from torch import Tensor

ABSTAIN = -1
"""The prediction where the samples do not tell which class g answers."""

SAMPLES_AT_ONCE = 1000
"""How many noisy images are in memory and go to the classifier together. Another number draws other noise."""

Predict = Callable[[Tensor], Tensor]
"""The base classifier f: (N, C, H, W) float32 to (N,) int64 class indices.

Every image's answer is its own, whatever else is in the batch; else the samples are not independent.
"""


@dataclass(frozen=True)
class SmoothingSettings:
    """Which smoothed classifier is meant, and how well it is sampled.

    `sigma`: standard deviation of the noise, in [0, 1] pixels; it defines g.
    `n0`, `n`: samples that choose the class, and samples that estimate its probability.
    `alpha`: the probability with which an answer may be wrong.
    `seed`: of the noise. torch's CPU generator reads its lowest 32 bits.
    """

    sigma: float = 0.5
    n0: int = 100
    n: int = 10_000
    alpha: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.sigma < math.inf:
            raise ValueError(f"sigma: expected a finite number above 0, got {self.sigma}")
        for name in ("n0", "n"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name}: expected a positive count, got {getattr(self, name)}")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: expected a probability above 0 and below 1, got {self.alpha}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed: expected 0 to 2**63 - 1, got {self.seed}")
        # An alpha next to 1 rounds the bound to 1, whose radius would be infinite.
        if not math.isfinite(self.largest_radius):
            raise ValueError(f"alpha: expected a finite largest radius, got {self.alpha} with {self.n} samples")

    @property
    def largest_radius(self) -> float:
        """The radius if all n samples agree; no image can be certified beyond it."""
        return certified_radius(lower_confidence_bound(self.n, self.n, self.alpha), self.sigma)


@dataclass(frozen=True)
class SmoothingCertificate:
    """Certificates of B images, on the CPU.

    `predictions` (B,) int64: the class that g answers, or ABSTAIN.
    `radii` (B,) float64: L2 distance in [0, 1] pixels; 0 where it abstains.
    `probabilities` (B,) float64: lower confidence bound of the selected class's probability, also where it abstains.
    `selected` (B,) int64: the class that the n0 samples chose.
    `counts` (B, K) int64: how often each class was answered among the n estimation samples.
    """

    predictions: Tensor
    radii: Tensor
    probabilities: Tensor
    selected: Tensor
    counts: Tensor


def lower_confidence_bound(successes: int, trials: int, alpha: float) -> float:
    """The one-sided Clopper-Pearson bound: not above the true probability, with a probability of at least 1 - alpha.

    LowerConfBound of section 3.2.2: the alpha quantile of Beta(successes, trials - successes + 1), and 0 where nothing
    succeeded. The quantile is taken from scipy.special, since importing scipy.stats takes several times as long.
    """
    return float(betaincinv(successes, trials - successes + 1, alpha)) if successes else 0.0


def two_sided_p_value(first: int, second: int) -> float:
    """BinomPValue of section 3.2.1: how likely a fair coin's `first + second` throws, at least one, are as uneven.

    At probability 1/2 the distribution is symmetric, so both tails together are twice one of them.
    """
    most, least = max(first, second), min(first, second)
    return min(1.0, 2 * float(betainc(most, least + 1, 0.5)))


def certified_radius(probability: float, sigma: float) -> float:
    """sigma * Phi^-1(p) of section 3.2.2, and 0 unless p is above 1/2."""
    return sigma * float(ndtri(probability)) if probability > 0.5 else 0.0


def certify_by_smoothing(
    predict: Predict, images: Tensor, settings: SmoothingSettings, *, classes: int
) -> SmoothingCertificate:
    """CERTIFY of section 3.2.2, for each image by itself.

    For each image, with a probability of at least 1 - alpha over the draw of the noise: either it abstains, or g
    predicts `predictions` at every image nearer than `radii` in L2 (Proposition 2 and Theorem 1).

    - It speaks of g and not of the base classifier f.
    - The noise must be independent of the image: whoever makes the image must not know the seed.
    - Every image is given the same noise, so that its answer depends on no neighbour. The errors of several images
      are then not independent of each other, and each one's probability is still at most alpha.
    - It is a theorem about real numbers; the rounding of float32 is not accounted for.

    Args:
        predict: f, called with at most SAMPLES_AT_ONCE noisy copies of one image, on that image's device. They leave
            [0, 1]: a clipped image is as good an input, but then clipping is part of f, and is f's to do.
        images: (B, C, H, W) float32 in [0, 1], on any device.
        settings: what to draw. The same seed draws the same noise on every device.
        classes: K, at least 2.

    Raises:
        ValueError: `images`, `classes` or what `predict` returned is not as above.
    """
    _check(images, classes)
    selected = torch.zeros(len(images), dtype=torch.int64)
    counts = torch.zeros(len(images), classes, dtype=torch.int64)
    for index, image in enumerate(images):
        generator = torch.Generator().manual_seed(settings.seed)
        selected[index] = _sample(predict, image, settings.n0, settings.sigma, generator, classes).argmax()
        counts[index] = _sample(predict, image, settings.n, settings.sigma, generator, classes)
    successes = counts.gather(1, selected[:, None]).squeeze(1).tolist()
    bounds = [lower_confidence_bound(count, settings.n, settings.alpha) for count in successes]
    radii = [certified_radius(bound, settings.sigma) for bound in bounds]
    probabilities = torch.tensor(bounds, dtype=torch.float64)
    predictions = torch.where(probabilities > 0.5, selected, ABSTAIN)
    return SmoothingCertificate(predictions, torch.tensor(radii, dtype=torch.float64), probabilities, selected, counts)


def predict_by_smoothing(predict: Predict, images: Tensor, settings: SmoothingSettings, *, classes: int) -> Tensor:
    """PREDICT of section 3.2.1, for each image by itself: g's class from n samples, without a radius.

    For each image, with a probability of at least 1 - alpha over the draw of the noise, it abstains or answers what g
    does (Proposition 1). The two most frequent classes are told apart by a two-sided binomial test at alpha. `n0` is
    not used.

    Args:
        predict, images, settings, classes: as for `certify_by_smoothing`.

    Returns:
        (B,) int64 on the CPU, ABSTAIN where the test does not tell.

    Raises:
        ValueError: as for `certify_by_smoothing`.
    """
    _check(images, classes)
    predictions = torch.full((len(images),), ABSTAIN)
    for index, image in enumerate(images):
        generator = torch.Generator().manual_seed(settings.seed)
        top = _sample(predict, image, settings.n, settings.sigma, generator, classes).topk(2)
        first, second = top.values.tolist()
        if two_sided_p_value(first, second) <= settings.alpha:
            predictions[index] = top.indices[0]
    return predictions


def _sample(
    predict: Predict, image: Tensor, samples: int, sigma: float, generator: torch.Generator, classes: int
) -> Tensor:
    """SampleUnderNoise of section 3.2: how often f answers each class, (K,) int64 on the CPU."""
    counts = torch.zeros(classes, dtype=torch.int64)
    for start in range(0, samples, SAMPLES_AT_ONCE):
        size = min(SAMPLES_AT_ONCE, samples - start)
        # Drawn and scaled on the CPU, so that no device's generator or rounding changes the noise.
        noise = torch.randn(size, *image.shape, generator=generator, dtype=torch.float32).mul_(sigma)
        answers = predict(noise.to(image.device).add_(image))
        if answers.shape != (size,) or answers.dtype != torch.int64:
            raise ValueError(f"predict: expected ({size},) int64, got {tuple(answers.shape)} {answers.dtype}")
        answers = answers.cpu()
        if not 0 <= int(answers.min()) <= int(answers.max()) < classes:
            raise ValueError(f"predict: expected classes 0 to {classes - 1}, got {answers.min()} to {answers.max()}")
        counts += torch.bincount(answers, minlength=classes)
    return counts


def _check(images: Tensor, classes: int) -> None:
    if images.ndim != 4 or images.dtype != torch.float32:
        raise ValueError(f"images: expected (B, C, H, W) float32, got {tuple(images.shape)} {images.dtype}")
    if classes < 2:
        raise ValueError(f"classes: expected at least 2, got {classes}")
