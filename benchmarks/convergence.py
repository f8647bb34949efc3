"""Whether the exact-inference certificate has converged: what more steps and more starts do to its radii.

The radius of equation (7) holds if the latent optima were found. That cannot be proved, but it shows: inference that
finds them finds the same with more work.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from eabs.certificates.exact_inference import EXACT_INFERENCE, certify_exact_inference
from eabs.inference import LatentInference
from eabs.settings import QuasiNewtonSettings

THRESHOLDS = (0.01, 0.05)
"""Differences of radii that matter, in [0, 1] pixels: a hundredth rounds away, a twentieth is seen."""

_BATCH = 32


@dataclass(frozen=True)
class Rung:
    """How much work a certificate is: at most `steps` gradients from each of `starts` starts, for every class."""

    steps: int
    starts: int

    def __post_init__(self) -> None:
        if self.steps < 1 or self.starts < 1:
            raise ValueError(f"expected at least one step and one start, got {self}")

    def __str__(self) -> str:
        return f"{self.steps}x{self.starts}"

    @classmethod
    def parse(cls, text: str) -> "Rung":
        """Of `<steps>x<starts>`, as it is printed.

        Raises:
            ValueError: it is something else.
        """
        found = re.fullmatch(r"(\d+)x(\d+)", text.strip())
        if not found:
            raise ValueError(f"expected <steps>x<starts>, got {text!r}")
        return cls(int(found[1]), int(found[2]))

    @property
    def cost(self) -> int:
        """Gradients for every class, at most."""
        return self.steps * self.starts

    @property
    def settings(self) -> QuasiNewtonSettings:
        """The certificate's inference, but for the amount of work.

        A lane that has converged still ends early, and so does a start that is far behind another.
        """
        return replace(EXACT_INFERENCE, steps=self.steps, starts=self.starts)

    @property
    def is_the_certificates(self) -> bool:
        """Whether this is what is served."""
        return self.settings == EXACT_INFERENCE


LADDER = (
    Rung(10, 1),
    Rung(20, 1),
    Rung(20, 4),
    Rung(60, 4),
    Rung(60, 8),
    Rung(120, 8),
    Rung(60, 16),
    Rung(120, 16),
)
"""From an effort for every day to four times the certificate's."""


@dataclass(frozen=True)
class Convergence:
    """The certificates of `images` with one amount of work, and how far they are from those of the last rung.

    `mean_radius`, `median_radius` over all images; `uncertified` the share of radius 0. `mean_difference`,
    `p95_difference` and `largest_difference` of |radius - the last rung's|, `beyond` the shares of images where that
    is more than each of `THRESHOLDS`. `changed` is the share whose prediction is another than the last rung's: their
    radii speak of different classes, and are compared all the same.
    """

    steps: int
    starts: int
    is_the_certificates: bool
    images: int
    mean_radius: float
    median_radius: float
    uncertified: float
    mean_difference: float
    p95_difference: float
    largest_difference: float
    beyond: dict[float, float]
    changed: float
    ms_per_image: float


def measure_convergence(
    inference: LatentInference,
    images: Tensor,
    ladder: Sequence[Rung] = LADDER,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> list[Convergence]:
    """Certifies every image on every rung.

    Args:
        inference: the model.
        images: (B, C, H, W) float32 in [0, 1].
        ladder: at least one rung, in any order.
        advance: told how many more certificates are done.

    Returns:
        The rungs, the cheapest first. The last, the dearest, is what they are compared with.
    """
    rungs = sorted(ladder, key=lambda rung: rung.cost)
    found = [_certify(inference, images, rung, advance) for rung in rungs]
    last = found[-1]
    return [_compare(rung, own, last) for rung, own in zip(rungs, found, strict=True)]


@dataclass(frozen=True)
class _Certificates:
    """Predictions (B,) int64 and radii (B,) float64 on the CPU, and the seconds that they took."""

    predictions: Tensor
    radii: Tensor
    seconds: float


def _certify(inference: LatentInference, images: Tensor, rung: Rung, advance: Callable[[int], None]) -> _Certificates:
    started = time.perf_counter()
    predictions, radii = [], []
    for batch in images.split(_BATCH):
        certificate = certify_exact_inference(inference, batch, rung.settings)
        predictions.append(certificate.predictions.cpu())
        radii.append(certificate.radii.double().cpu())
        advance(len(batch))
    return _Certificates(torch.cat(predictions), torch.cat(radii), time.perf_counter() - started)


def _compare(rung: Rung, own: _Certificates, last: _Certificates) -> Convergence:
    differences = (own.radii - last.radii).abs()
    return Convergence(
        steps=rung.steps,
        starts=rung.starts,
        is_the_certificates=rung.is_the_certificates,
        images=len(own.radii),
        mean_radius=own.radii.mean().item(),
        median_radius=own.radii.median().item(),
        uncertified=(own.radii == 0).double().mean().item(),
        mean_difference=differences.mean().item(),
        p95_difference=differences.quantile(0.95).item(),
        largest_difference=differences.max().item(),
        beyond={threshold: (differences > threshold).double().mean().item() for threshold in THRESHOLDS},
        changed=(own.predictions != last.predictions).double().mean().item(),
        ms_per_image=1e3 * own.seconds / len(own.radii),
    )
