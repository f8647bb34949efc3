"""The exact-inference certificate, equation (7) of Ju & Wagner (AISec 2020) with the stray squares removed.

Let r_y = ||x - G_y(z_y*)||_2 and d_k = min_z ||x - G_k(z)||_2. A perturbation of L2 size e raises the own score to
at most l_y + 2 e r_y + e^2 and leaves every rival's at least (d_k - e)^2 (Appendix A, claims 1 and 2). The two meet
at e_k = (d_k^2 - l_y) / (2 d_k + 2 r_y), so the prediction cannot change within min_k e_k.

This holds if z_y* and d_k are the true optima. An optimiser cannot promise that: a d_k that is found too large makes
the radius too large.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from eabs.inference import LatentInference
from eabs.settings import QuasiNewtonSettings

EXACT_INFERENCE = QuasiNewtonSettings(steps=60, starts=8, tolerance=1e-5)
"""The inference that the certificate rests on: several starts, many steps, no class given up."""

ASSUMPTION = "the latent optimum was found"


@dataclass(frozen=True)
class ExactInferenceCertificate:
    """Certificates of B images.

    `predictions` (B,) int64: the class that exact inference chooses, of which the certificate speaks.
    `radii` (B,): L2 distance in [0, 1] pixels; 0 where nothing is certified.
    `bounds` (B, K): e_k for every rival k, negative where it would win already; +inf for the prediction itself.
    `steps` (B,) int64 and `converged` (B,) bool: of the two inferences, for scores and for distances, together.
    """

    predictions: Tensor
    radii: Tensor
    bounds: Tensor
    steps: Tensor
    converged: Tensor


def rival_bounds(scores: Tensor, own_distances: Tensor, distances: Tensor, predictions: Tensor) -> Tensor:
    """e_k of equation (7) for every class.

    Args:
        scores: l_y of the predicted class, (B,).
        own_distances: r_y (B,), L2, not squared.
        distances: d_k (B, K), L2, not squared.
        predictions: y (B,) int64.

    Returns:
        (B, K), +inf at y.
    """
    numerator = distances.square() - scores[:, None]
    denominator = 2 * distances + 2 * own_distances[:, None]
    bounds = numerator / denominator.clamp_min(torch.finfo(denominator.dtype).tiny)
    return bounds.scatter(1, predictions[:, None], torch.inf)


def certify_exact_inference(
    inference: LatentInference, images: Tensor, settings: QuasiNewtonSettings = EXACT_INFERENCE
) -> ExactInferenceCertificate:
    """Certifies exact inference's own predictions by equation (7).

    The own class is optimised for its score l_y, the rivals for their distance d_k, as the equation has them.

    Args:
        inference: the model.
        images: (B, C, H, W) float32 in [0, 1].
        settings: how hard to look for the optima; no class may be given up.

    Raises:
        ValueError: the settings would give classes up, whose distance is an upper bound then and no optimum.
    """
    if not settings.is_complete:
        raise ValueError(f"settings: expected every class to be optimised to the end, got {settings}")
    scored = inference.infer(images, replace(settings, objective="score"))
    nearest = inference.infer(images, replace(settings, objective="distance"))
    predictions = scored.predictions
    own = predictions[:, None]
    # Both runs bound d_k from above, so the smaller of the two is the better estimate.
    distances = torch.minimum(scored.distances, nearest.distances)
    bounds = rival_bounds(
        scored.scores.gather(1, own).squeeze(1),
        scored.distances.gather(1, own).squeeze(1),
        distances,
        predictions,
    )
    return ExactInferenceCertificate(
        predictions,
        bounds.amin(1).clamp_min(0),
        bounds,
        steps=scored.steps + nearest.steps,
        converged=scored.converged & nearest.converged,
    )
