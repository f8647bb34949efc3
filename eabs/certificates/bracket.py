"""An attack beside a certificate: a radius says how far a prediction cannot change, a found change how far it can.

Follows the adaptive gradient, equation (8) of Ju & Wagner (AISec 2020), of the margin m = l_y - min_{k != y} l_k, which
is negative where the prediction is y. An image and a rival class are a lane. A lane goes from x towards the rival's
re-creation until the prediction changes, back to the boundary, and then as DeepFool does (Moosavi-Dezfooli et al.,
CVPR 2016): it takes the boundary for a plane at the nearest adversarial image known, and tries the plane's nearest
point to x. Every answer was classified as it is returned; what is approximate is only how small it is.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from eabs.gradient import adaptive_gradient
from eabs.inference import LatentInference
from eabs.prototypes import PrototypeBank
from eabs.settings import QuasiNewtonSettings

Recreate = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Images (N, C, H, W) to scores l_k (N, K) and re-creations G_k(z_k) (N, K, C, H, W), each image by itself."""

Confirm = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) to labels (N,) int64."""

# How far out to look for a first adversarial image, in lengths of the way between two re-creations.
_LENGTHS = (1, 2, 4, 8)
# The classes re-optimise on the way to the plane's nearest point, so the margin there is less than the plane has it.
_OVERSHOOT = 1.005
# How often to go out from there, halfway to the best known size each time, until the prediction has changed.
_TRIES = 3
# Aimed behind the estimated crossing, so that the adversarial end of the bracket is the one that moves up to it.
_NUDGE = 0.05
_NEWTON_STEPS = 30
# How much further out a candidate is taken, as a share of its size, that the dearer classifier does not confirm.
_PUSHES = (0.0, 0.03, 0.08, 0.2, 0.5)


@dataclass(frozen=True)
class AttackSettings:
    """How hard to look: the `rivals` classes of the lowest scores, and for each of them at most `rounds` planes.

    `bisections` steps narrow the bracket of the boundary each time. A lane ends with its first round in vain.
    """

    rivals: int = 3
    rounds: int = 4
    bisections: int = 3

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name}: expected a positive count, got {getattr(self, field.name)}")


@dataclass(frozen=True)
class AttackResult:
    """The smallest adversarial perturbations found for B images.

    `upper_bounds` (B,) float64: their L2 sizes in [0, 1] pixels, inf where none was found.
    `images` (B, C, H, W): the adversarial images in [0, 1], the input where none was found.
    `labels` (B,) int64: what the classifier says of them, the one that confirms if there is one.
    """

    upper_bounds: Tensor
    images: Tensor
    labels: Tensor


def recreate_by_inference(inference: LatentInference, settings: QuasiNewtonSettings) -> Recreate:
    """Latent inference as the classifier under attack; its answers come to the device of the images."""

    def recreate(images: Tensor) -> tuple[Tensor, Tensor]:
        found = inference.infer(images, settings)
        return found.scores.to(images.device), inference.reconstruct(found.latents).to(images.device)

    return recreate


def recreate_by_prototypes(bank: PrototypeBank) -> Recreate:
    """The nearest-prototype classifier under attack: a class's re-creation of an image is its nearest prototype."""

    def recreate(images: Tensor) -> tuple[Tensor, Tensor]:
        found = bank.classify(images)
        return found.scores.to(images.device), bank.pictures(found.nearest).to(images.device)

    return recreate


@torch.no_grad()
def attack_upper_bound(
    recreate: Recreate,
    images: Tensor,
    predictions: Tensor,
    settings: AttackSettings = AttackSettings(),
    *,
    confirm: Confirm | None = None,
) -> AttackResult:
    """Looks for the nearest image that is classified otherwise.

    Args:
        recreate: the classifier under attack: argmin_k l_k.
        images: (B, C, H, W) float32 in [0, 1].
        predictions: the class y that the certificate speaks of, (B,) int64. A perturbation is adversarial if the
            classifier says another class; where it says another of the image itself, the bound is 0.
        settings: how hard to look.
        confirm: the classifier that the certificate speaks of, where it is dearer than the one to search with. A
            candidate counts only if it is adversarial for this one too, if need be up to half as far again.

    Returns:
        B answers, on the images' device. An image's answer does not depend on the others.

    Raises:
        ValueError: the images or the predictions have another shape or type.
    """
    if images.dim() != 4 or images.dtype != torch.float32 or len(images) == 0:
        raise ValueError(f"images: expected (B, C, H, W) float32, got {tuple(images.shape)} {images.dtype}")
    if predictions.shape != images.shape[:1] or predictions.dtype != torch.int64:
        raise ValueError(
            f"predictions: expected ({len(images)},) int64, got {tuple(predictions.shape)} {predictions.dtype}"
        )
    scores, recreations = recreate(images)
    rivals = _others(scores, predictions).argsort(dim=1, stable=True)[:, : min(settings.rivals, scores.shape[1] - 1)]
    image = torch.arange(len(images), device=images.device).repeat_interleave(rivals.shape[1])
    rival, own = rivals.flatten(), predictions[image]
    lanes = _Lanes(recreate, _judged(images, predictions, scores, recreations)[image], own)
    towards = recreations[image, rival] - images[image]
    lanes.reach(towards, recreations[image, rival] - recreations[image, own], settings.bisections)
    for _ in range(settings.rounds):
        if not lanes.approach(settings.bisections):
            break
    return _best_of(lanes, rivals.shape, images, predictions, towards, confirm)


@dataclass(frozen=True)
class _Points:
    """N images and what the classifier makes of them: labels (N,), margins m (N,), d m / d x (N, C, H, W)."""

    images: Tensor
    labels: Tensor
    margins: Tensor
    normals: Tensor

    def __getitem__(self, index: Tensor) -> "_Points":
        return _Points(self.images[index], self.labels[index], self.margins[index], self.normals[index])

    def __setitem__(self, index: Tensor, points: "_Points") -> None:
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(points, field.name)


class _Lanes:
    """L attacks, each from its own image on its own class, and the nearest adversarial image that each has found."""

    def __init__(self, recreate: Recreate, origins: _Points, own: Tensor) -> None:
        self._recreate = recreate
        self._origins = origins
        self._own = own
        everywhere = torch.arange(len(own), device=own.device)
        self.best = origins[everywhere]
        self.sizes = torch.zeros_like(origins.margins).masked_fill(origins.labels == own, torch.inf)
        self._running = everywhere[self.sizes.isinf()]

    def reach(self, towards: Tensor, apart: Tensor, bisections: int) -> None:
        """Finds every lane a first adversarial image: the rival's re-creation, or else out along G_k - G_y.

        Args:
            towards: G_k - x, (L, C, H, W).
            apart: G_k - G_y, (L, C, H, W).
            bisections: steps back to the boundary.
        """
        missing = self._running
        for way in (towards, *(length * apart for length in _LENGTHS)):
            found, points = self._try(missing, way[missing])
            self._narrow(missing[found], points, bisections)
            self._keep(missing[found], points)
            missing = missing[~found]
        self._running = self._running[self.sizes[self._running].isfinite()]

    def approach(self, bisections: int) -> bool:
        """One round of every lane that is not at its end. False once all are."""
        running = self._running
        origins, best = self._origins[running], self.best[running]
        # The plane is m = 0 where the margin is as linear as its gradient at the best image has it.
        levels = _dot(best.normals, best.images - origins.images) - best.margins
        step = _nearest_in_box(origins.images, best.normals, _OVERSHOOT * levels) - origins.images
        sizes = _l2(step)
        lengths = sizes
        improved = []
        waiting = (sizes > 0).nonzero().squeeze(1)
        for _ in range(_TRIES):
            waiting = waiting[lengths[waiting] < self.sizes[running[waiting]]]
            found, points = self._try(running[waiting], _times((lengths / sizes)[waiting], step[waiting]))
            lanes = running[waiting[found]]
            self._narrow(lanes, points, bisections)
            improved.append(lanes[self._keep(lanes, points)])
            waiting = waiting[~found]
            lengths = (lengths + self.sizes[running]) / 2
        self._running = torch.cat(improved)
        return len(self._running) > 0

    def _try(self, lanes: Tensor, steps: Tensor) -> tuple[Tensor, _Points]:
        """Which of the lanes (N,) a step (N, C, H, W) from the origin makes adversarial, and those images."""
        points = self._judge(lanes, self._origins.images[lanes] + steps)
        found = points.labels != self._own[lanes]
        return found, points[found]

    def _keep(self, lanes: Tensor, points: _Points) -> Tensor:
        """Takes the adversarial points (N) that are nearer than the lanes' best; returns which those are."""
        sizes = _l2(points.images - self._origins.images[lanes])
        nearer = sizes < self.sizes[lanes]
        self.sizes[lanes[nearer]] = sizes[nearer]
        self.best[lanes[nearer]] = points[nearer]
        return nearer

    def _narrow(self, lanes: Tensor, points: _Points, steps: int) -> None:
        """Moves adversarial points (N) up to the boundary on their way back to the lanes' origins.

        Each step tries a point by the margins of the bracket's two ends, which are nearly linear between them.
        """
        origins = self._origins[lanes]
        ways = points.images - origins.images
        low, low_margins, high = torch.zeros_like(points.margins), origins.margins, torch.ones_like(points.margins)
        for _ in range(steps):
            rise = (points.margins - low_margins).clamp_min(torch.finfo(low.dtype).tiny)
            share = torch.lerp(-low_margins / rise, torch.ones_like(low), _NUDGE).clamp(_NUDGE, 1 - _NUDGE)
            middle = torch.lerp(low, high, share)
            tried = self._judge(lanes, origins.images + _times(middle, ways))
            adversarial = tried.labels != self._own[lanes]
            points[adversarial] = tried[adversarial]
            high = torch.where(adversarial, middle, high)
            low = torch.where(adversarial, low, middle)
            low_margins = torch.where(adversarial, low_margins, tried.margins)

    def _judge(self, lanes: Tensor, images: Tensor) -> _Points:
        images = images.clamp(0, 1)
        if len(images) == 0:
            return self._origins[lanes]
        return _judged(images, self._own[lanes], *self._recreate(images))


def _judged(images: Tensor, own: Tensor, scores: Tensor, recreations: Tensor) -> _Points:
    rival = _others(scores, own).argmin(1)
    pair = torch.stack([own, rival], dim=1)
    row = torch.arange(len(images), device=images.device)[:, None]
    own_gradient, rival_gradient = adaptive_gradient(images, recreations[row, pair]).unbind(1)
    own_scores, rival_scores = scores[row, pair].double().unbind(1)
    return _Points(images, scores.argmin(1), own_scores - rival_scores, own_gradient - rival_gradient)


def _others(scores: Tensor, own: Tensor) -> Tensor:
    """The scores (N, K) without the own classes' (N,)."""
    return scores.scatter(1, own[:, None], torch.inf)


def _nearest_in_box(origins: Tensor, normals: Tensor, levels: Tensor) -> Tensor:
    """The images of [0, 1] nearest to the origins with <n, x' - x> = level, or as near to it as the box allows.

    They are clip(x + t n) of one t >= 0. What t reaches is concave, so Newton's method rises to t from below.
    """
    multipliers = torch.zeros_like(levels)
    for _ in range(_NEWTON_STEPS):
        moved = origins + _times(multipliers, normals)
        free = (moved >= 0) & (moved <= 1)
        slopes = _dot(normals * free, normals)
        rests = levels - _dot(normals, moved.clamp(0, 1) - origins)
        multipliers = multipliers + torch.where(slopes > 0, rests / slopes, 0).clamp_min(0)
    return (origins + _times(multipliers, normals)).clamp(0, 1)


def _best_of(
    lanes: _Lanes, shape: torch.Size, images: Tensor, predictions: Tensor, towards: Tensor, confirm: Confirm | None
) -> AttackResult:
    """The best lane of each image that is adversarial, for `confirm` as well if there is one.

    `shape` is (B, R): the lanes of an image follow each other.
    """
    upper_bounds = torch.full(shape[:1], torch.inf, dtype=torch.float64, device=images.device)
    answers, labels = images.clone(), predictions.clone()
    order = lanes.sizes.view(shape).argsort(dim=1, stable=True)
    order += torch.arange(shape[0], device=images.device)[:, None] * shape[1]
    for lane in order.unbind(1):
        for push in _PUSHES if confirm else _PUSHES[:1]:
            open_ = (upper_bounds.isinf() & lanes.sizes[lane].isfinite()).nonzero().squeeze(1)
            if len(open_) == 0:
                break
            chosen = lane[open_]
            candidates, found = lanes.best.images[chosen], lanes.best.labels[chosen]
            if confirm:
                # What was adversarial unmoved has no direction of its own: it goes towards the rival.
                unmoved = _times(lanes.sizes[chosen] == 0, towards[chosen])
                way = candidates - images[open_] + unmoved
                candidates = (candidates + push * way).clamp(0, 1)
                found = confirm(candidates).to(found)
            taken = found != predictions[open_]
            into = open_[taken]
            answers[into], labels[into] = candidates[taken], found[taken]
            upper_bounds[into] = _l2(candidates[taken] - images[into])
    return AttackResult(upper_bounds, answers, labels)


def _times(factors: Tensor, images: Tensor) -> Tensor:
    return factors.view(-1, 1, 1, 1).to(images.dtype) * images


def _dot(one: Tensor, other: Tensor) -> Tensor:
    """Inner products of images (N, C, H, W), in float64: (N,)."""
    return (one.double() * other.double()).flatten(1).sum(1)


def _l2(differences: Tensor) -> Tensor:
    return _dot(differences, differences).sqrt()
